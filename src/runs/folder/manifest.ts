/** @file The manifest of a checkpoint, written last: its files and their hashes. */

import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { InputError, messageOf } from "../../core/errors.js";
import { writeFileAtomic } from "../../core/files.js";

export const manifestName = "manifest.json";

const manifestSchema = z.strictObject({
  format: z.literal(1),
  step: z.int().nonnegative(),
  /** Validation metrics of this step; empty if there was no validation. */
  metrics: z.record(z.string(), z.number()),
  files: z.record(z.string(), z.strictObject({ bytes: z.int().nonnegative(), sha256: z.string() })),
});
export type Manifest = z.infer<typeof manifestSchema>;

/** Writes the manifest of all files in `folder`. */
export async function writeManifest(folder: string, step: number, metrics: Manifest["metrics"]): Promise<void> {
  const files: Manifest["files"] = {};
  for (const name of (await readdir(folder)).sort()) files[name] = await hashOf(join(folder, name));
  const manifest: Manifest = { format: 1, step, metrics, files };
  await writeFileAtomic(join(folder, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** Reads the manifest without checking the files. */
export async function readManifest(folder: string): Promise<Manifest> {
  const file = join(folder, manifestName);
  let json: unknown;
  try {
    json = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw new InputError(`checkpoint ${folder} is damaged: ${manifestName}: ${messageOf(error)}`, { cause: error });
  }
  const { data, error } = manifestSchema.safeParse(json);
  if (data !== undefined) return data;
  const [issue] = error.issues;
  throw new InputError(
    `checkpoint ${folder} is damaged: ${manifestName}: "${issue?.path.join(".")}": ${issue?.message}`,
  );
}

/** Reads the manifest. @throws InputError if a file differs from the one that was written */
export async function verifiedManifest(folder: string): Promise<Manifest> {
  const manifest = await readManifest(folder);
  for (const [name, wanted] of Object.entries(manifest.files)) {
    if (name.includes("/") || name.includes("\\")) {
      throw new InputError(`checkpoint ${folder} is damaged: ${manifestName} names ${JSON.stringify(name)}`);
    }
    const found = await hashOf(join(folder, name));
    if (found.bytes === wanted.bytes && found.sha256 === wanted.sha256) continue;
    throw new InputError(`checkpoint ${folder} is damaged: ${name} differs from the file that was written`);
  }
  return manifest;
}

async function hashOf(file: string): Promise<Manifest["files"][string]> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw new InputError(`cannot read checkpoint file ${file}: ${messageOf(error)}`, { cause: error });
  });
  return { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}

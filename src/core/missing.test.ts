import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, it } from "node:test";
import { InputError } from "./errors.js";
import { ifMissing, isFile, isFolder, isUnreadable, statOrNull } from "./missing.js";

const root = await mkdtemp(join(tmpdir(), "softrepa-missing-"));
after(() => rm(root, { recursive: true, force: true }));
const file = join(root, "file");
await writeFile(file, "x");
// A link to itself can be read by nobody, not even by root.
const loop = join(root, "loop");
await symlink("loop", loop);

it("returns null only for paths that do not exist", async () => {
  for (const path of [join(root, "none"), join(file, "below")]) assert.equal(await statOrNull(path), null);
  assert.deepEqual([await isFile(file), await isFolder(file), await isFolder(root)], [true, false, true]);
  for (const test of [statOrNull, isFile, isFolder]) await assert.rejects(() => test(loop), InputError);
});

it("replaces a missing path, and no other failure", async () => {
  assert.deepEqual(await readdir(join(root, "none")).catch(ifMissing<string[]>([])), []);
  await assert.rejects(() => readFile(loop).catch(ifMissing(Buffer.alloc(0))), /ELOOP/);
});

it("recognises unreadable files by the cause of an error", async () => {
  const failure = await readFile(loop).catch((error: unknown) => error);
  const missing = await readFile(join(root, "none")).catch((error: unknown) => error);
  assert.equal(isUnreadable(new InputError("cannot read", { cause: failure })), true);
  assert.equal(isUnreadable(new InputError("damaged", { cause: missing })), false);
  assert.equal(isUnreadable(new InputError("damaged")), false);
});

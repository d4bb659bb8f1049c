/** @file Helpers for tests of files. */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { SoftrepaError } from "../../core/errors.js";

/** Path of a fixture; tests run from the repository's root. */
export const fixture = (...path: readonly string[]): string => join(process.cwd(), "test", "fixtures", ...path);

/** Path in an optional folder next to the repository, or undefined. */
export function shared(...path: readonly string[]): string | undefined {
  const folder = join(process.cwd(), "..", "shared", ...path);
  return existsSync(folder) ? folder : undefined;
}

/** Creates a folder for the tests of this file; returns paths in it. */
export function temporaryFolder(): (...path: readonly string[]) => string {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "softrepa-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));
  return (...path) => join(folder, ...path);
}

/** Asserts that the call rejects with a SoftrepaError in one line that matches all `patterns`. */
export async function refuses(call: () => Promise<unknown>, ...patterns: readonly RegExp[]): Promise<void> {
  await assert.rejects(call, (error: unknown) => {
    assertSoftrepaError(error);
    for (const pattern of patterns) assert.match(error.message, pattern);
    return true;
  });
}

/** Asserts that the call resolves or rejects with a SoftrepaError in one line. */
export async function survives(call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
  } catch (error) {
    assertSoftrepaError(error);
  }
}

function assertSoftrepaError(error: unknown): asserts error is SoftrepaError {
  if (!(error instanceof SoftrepaError)) throw new Error("not a SoftrepaError", { cause: error });
  assert.doesNotMatch(error.message, /\n/, "an error message is one line");
}

/** Bit patterns, which distinguish -0 from 0 and NaNs from each other. */
export function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/** Values that a careless copy would change: signed zeros, infinities, subnormals, quiet and signalling NaNs. */
export const awkward: Float32Array = new Float32Array(
  Uint32Array.of(
    0,
    0x80000000,
    0x7f800000,
    0xff800000,
    1,
    0x807fffff,
    0x7fc00000,
    0xffc12345,
    0x7f800001,
    0xffbfffff,
    0x3f800000,
    0xc2f6e979,
  ).buffer,
);

/** The pickle of a bare tensor with any fields; integers below 2^31. */
export function tensorPickle(fields: {
  type?: string;
  key?: string;
  numbers?: number;
  offset?: number;
  shape?: number[];
  stride?: number[];
}): Uint8Array {
  const { type = "FloatStorage", key = "0", numbers = 4, offset = 0, shape = [4], stride = [1] } = fields;
  const int = (value: number) => {
    const bytes = Buffer.alloc(5, "J");
    bytes.writeInt32LE(value, 1);
    return bytes;
  };
  const text = (value: string) => Buffer.concat([Buffer.of(0x58, value.length, 0, 0, 0), Buffer.from(value)]);
  const tuple = (...members: Buffer[]) => Buffer.concat([Buffer.from("("), ...members, Buffer.from("t")]);
  const global = (name: string) => Buffer.from(`c${name}\n`);
  const storage = tuple(text("storage"), global(`torch\n${type}`), text(key), text("cpu"), int(numbers));
  const args = tuple(
    Buffer.concat([storage, Buffer.from("Q")]),
    int(offset),
    tuple(...shape.map(int)),
    tuple(...stride.map(int)),
    Buffer.of(0x89),
    Buffer.from("N"),
  );
  return Buffer.concat([Buffer.of(0x80, 2), global("torch._utils\n_rebuild_tensor_v2"), args, Buffer.from("R.")]);
}

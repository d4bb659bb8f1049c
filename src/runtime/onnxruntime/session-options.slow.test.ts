import assert from "node:assert/strict";
import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Measurement, measureInChild } from "../../testing/graph/child.js";
import { assertNear } from "../../testing/graph/harness.js";
import { uniforms } from "../../testing/graph/numbers.js";

// onnxruntime ignores options that it does not know, so each one is shown to do something: with it changed, memory or
// threads differ by far. Every measurement is a process of its own.

const folder = await realpath(await mkdtemp(join(tmpdir(), "softrepa-options-")));
after(() => rm(folder, { recursive: true, force: true }));

/** Eight weights [width, width]; as float32 they take 32 MB. */
const width = "1024";
const megabytes = 32;
const files = { half: join(folder, "half.bin"), float: join(folder, "float.bin") };

before(async () => {
  const uniform = uniforms(1);
  const numbers = Float32Array.from({ length: (megabytes * 2 ** 20) / 4 }, () => (uniform() - 0.5) / 8);
  await writeFile(files.float, Buffer.from(numbers.buffer));
  // Rounded towards zero, a half is the upper bits of a float32 with its exponent moved from a bias of 127 to one of 15.
  const patterns = Uint16Array.from(new Uint32Array(numbers.buffer), (bits) => {
    const magnitude = ((bits & 0x7fffffff) >>> 13) - (112 << 10);
    return ((bits >>> 16) & 0x8000) | Math.max(0, magnitude);
  });
  await writeFile(files.half, Buffer.from(patterns.buffer));
});

function half(change: string): Promise<Measurement> {
  return measureInChild("half weights, session options", change, files.half, width);
}

function shown(...measurements: readonly Measurement[]): string {
  return measurements.map((measurement) => JSON.stringify(measurement)).join(" against ");
}

/** The same gradient, which is not zero. */
function assertSame(actual: Measurement, expected: Measurement): void {
  assert.ok(expected.result.every((number) => number !== 0 && Number.isFinite(number)));
  assertNear(Float64Array.from(actual.result), Float64Array.from(expected.result), 1e-3, "gradient", 0);
}

describe("session options", { skip: process.platform !== "linux" && "measured through /proc" }, () => {
  it("keep half-precision weights in the mapped file: no folding, no merged casts, level layout", async () => {
    const kept = await half("none");
    assert.ok(kept.anonymous < megabytes / 2, shown(kept));
    for (const change of ["with constant folding", "with common subexpressions", "at level all"]) {
      const copied = await half(change);
      assert.ok(copied.anonymous > megabytes * 0.9, `${change}: ${shown(kept, copied)}`);
      assertSame(copied, kept);
    }
  });
  // Finding the weights at all, in a folder that is not the current one, takes the option that names it.
  it("keep memory as low through the engine", async () => {
    const kept = await measureInChild("half weights", "mapped", files.half, width);
    assert.ok(kept.anonymous < megabytes / 2, shown(kept));
  });
  it("keep float32 weights in the mapped file unless they are to be repacked", async () => {
    const kept = await measureInChild("float weights", "mapped", files.float, width);
    const copied = await measureInChild("float weights", "repacked", files.float, width);
    assert.ok(kept.anonymous < megabytes / 2, shown(kept));
    assert.ok(copied.anonymous > megabytes * 0.9, shown(kept, copied));
    assertSame(copied, kept);
  });
  it("keep the kernels of convolutions there too", async () => {
    // 960 x 960 x 9 numbers of the file.
    const kept = await measureInChild("float kernels", "mapped", files.float, "960");
    const copied = await measureInChild("float kernels", "repacked", files.float, "960");
    assert.ok(kept.anonymous < megabytes / 2, shown(kept));
    assert.ok(copied.anonymous > megabytes * 0.9, shown(kept, copied));
    assertSame(copied, kept);
  });
  it("reserve no memory by pattern, run nodes one by one, and take as many threads as they are told", async () => {
    const experiment = "activations, session options";
    const plain = await measureInChild(experiment, "none");
    const patterns = await measureInChild(experiment, "with memory patterns");
    assert.ok(patterns.peak > 1.4 * plain.peak, shown(plain, patterns));
    const parallel = await measureInChild(experiment, "in parallel");
    assert.ok(parallel.threads > plain.threads, shown(plain, parallel));
    const threads = await measureInChild(experiment, "with three threads");
    assert.equal(threads.threads, plain.threads + 2, shown(plain, threads));
  });
});

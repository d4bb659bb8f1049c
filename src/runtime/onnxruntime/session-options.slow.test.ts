import assert from "node:assert/strict";
import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Measurement, measureInChild } from "../../testing/graph/child.js";
import { assertNear } from "../../testing/graph/harness.js";
import { uniforms } from "../../testing/graph/nd-array.js";

// onnxruntime ignores unknown options, so these tests show that changing each option has a large effect on memory or
// threads. Each measurement runs in a separate process.

const folder = await realpath(await mkdtemp(join(tmpdir(), "softrepa-options-")));
after(() => rm(folder, { recursive: true, force: true }));

/** Eight weights [width, width], which take 32 MB in float32. */
const width = "1024";
const megabytes = 32;
const files = { half: join(folder, "half.bin"), float: join(folder, "float.bin") };

before(async () => {
  const uniform = uniforms(1);
  const values = Float32Array.from({ length: (megabytes * 2 ** 20) / 4 }, () => (uniform() - 0.5) / 8);
  await writeFile(files.float, Buffer.from(values.buffer));
  // Rounds towards zero: takes the upper bits of the float32 and changes the exponent bias from 127 to 15.
  const patterns = Uint16Array.from(new Uint32Array(values.buffer), (bits) => {
    const magnitude = ((bits & 0x7fffffff) >>> 13) - (112 << 10);
    return ((bits >>> 16) & 0x8000) | Math.max(0, magnitude);
  });
  await writeFile(files.half, Buffer.from(patterns.buffer));
});

function half(change: string): Promise<Measurement> {
  return measureInChild("half weights, session options", change, files.half, width);
}

function describeAll(...measurements: readonly Measurement[]): string {
  return measurements.map((measurement) => JSON.stringify(measurement)).join(" against ");
}

/** Asserts that both gradients are equal, finite and not zero. */
function assertSame(actual: Measurement, expected: Measurement): void {
  assert.ok(expected.result.every((number) => number !== 0 && Number.isFinite(number)));
  assertNear(Float64Array.from(actual.result), Float64Array.from(expected.result), 1e-3, "gradient", 0);
}

describe("session options", { skip: process.platform !== "linux" && "measured through /proc" }, () => {
  it("keep half-precision weights in the mapped file: no folding, no merged casts, level layout", async () => {
    const kept = await half("none");
    assert.ok(kept.anonymous < megabytes / 2, describeAll(kept));
    for (const change of ["with constant folding", "with common subexpressions", "at level all"]) {
      const copied = await half(change);
      assert.ok(copied.anonymous > megabytes * 0.9, `${change}: ${describeAll(kept, copied)}`);
      assertSame(copied, kept);
    }
  });
  // The weights are not in the current folder, so this also needs the option with their folder.
  it("keep memory equally low through the engine", async () => {
    const kept = await measureInChild("half weights", "mapped", files.half, width);
    assert.ok(kept.anonymous < megabytes / 2, describeAll(kept));
  });
  it("keep float32 weights in the mapped file unless they are repacked", async () => {
    const kept = await measureInChild("float weights", "mapped", files.float, width);
    const copied = await measureInChild("float weights", "repacked", files.float, width);
    assert.ok(kept.anonymous < megabytes / 2, describeAll(kept));
    assert.ok(copied.anonymous > megabytes * 0.9, describeAll(kept, copied));
    assertSame(copied, kept);
  });
  it("keep convolution kernels in the mapped file unless they are repacked", async () => {
    // 960 x 960 x 9 elements of the file.
    const kept = await measureInChild("float kernels", "mapped", files.float, "960");
    const copied = await measureInChild("float kernels", "repacked", files.float, "960");
    assert.ok(kept.anonymous < megabytes / 2, describeAll(kept));
    assert.ok(copied.anonymous > megabytes * 0.9, describeAll(kept, copied));
    assertSame(copied, kept);
  });
  it("turn off memory patterns, run nodes sequentially, and use the given number of threads", async () => {
    const experiment = "activations, session options";
    const plain = await measureInChild(experiment, "none");
    const patterns = await measureInChild(experiment, "with memory patterns");
    assert.ok(patterns.peak > 1.4 * plain.peak, describeAll(plain, patterns));
    const parallel = await measureInChild(experiment, "in parallel");
    assert.ok(parallel.threads > plain.threads, describeAll(plain, parallel));
    const threads = await measureInChild(experiment, "with three threads");
    assert.equal(threads.threads, plain.threads + 2, describeAll(plain, threads));
  });
});

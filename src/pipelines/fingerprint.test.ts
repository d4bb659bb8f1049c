import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, it } from "node:test";
import { Generator } from "../core/random.js";
import { floatTensor, type Tensor } from "../core/tensor.js";
import { float32ToFloat16 } from "../weights/half.js";
import { openSafetensors, writeSafetensors } from "../weights/safetensors.js";
import type { WeightSource } from "../weights/source.js";
import { weightsFingerprint } from "./fingerprint.js";

const folder = await mkdtemp(join(tmpdir(), "softrepa-fingerprint-"));
after(() => rm(folder, { recursive: true, force: true }));
let files = 0;

async function source(tensors: Readonly<Record<string, Tensor>>): Promise<WeightSource> {
  const file = join(folder, `${files++}.safetensors`);
  await writeSafetensors(file, new Map(Object.entries(tensors)));
  return openSafetensors(file);
}
const random = (...shape: number[]) => new Generator(shape.length).normal(shape);
const half = ({ shape, data }: { shape: readonly number[]; data: Float32Array }): Tensor => ({
  dtype: "float16",
  shape,
  data: float32ToFloat16(data),
});
const [a, b, c] = [random(40, 30), random(6), random(2, 5, 3)];

it("is the same for float32 and float16, and differs for another value, shape or name", async () => {
  const base = await weightsFingerprint(await source({ a, b, c }));
  assert.match(base, /^[0-9a-f]{64}$/);
  assert.equal(await weightsFingerprint(await source({ c: half(c), a: half(a), b })), base);
  const changed = floatTensor(c.shape, c.data.slice());
  changed.data[29] = (c.data[29] ?? 0) + 0.01;
  const others = await Promise.all(
    [
      { a, b, c: changed },
      { a, b },
      { a, b, d: c },
      { a, b, c: { ...c, shape: [5, 2, 3] } },
    ].map(async (tensors) => weightsFingerprint(await source(tensors))),
  );
  assert.equal(new Set([base, ...others]).size, 5);
});

it("is the same for arranged tensors as for plain ones", async () => {
  const base = await weightsFingerprint(await source({ a, b, c }));
  const rowsOf = (from: number, to: number) => floatTensor([to - from, 30], a.data.slice(from * 30, to * 30));
  const transposed = floatTensor([30, 40]);
  for (let i = 0; i < 40; i++)
    for (let j = 0; j < 30; j++) transposed.data[j * 40 + i] = a.data[i * 30 + j] ?? Number.NaN;
  const { tensors, ...rest } = await source({ low: rowsOf(0, 3), high: rowsOf(3, 40), transposed, b, c });
  const take = (name: string) => {
    const stored = tensors.get(name);
    assert.ok(stored);
    return stored;
  };
  const others = new Map(["b", "c"].map((name) => [name, take(name)]));
  const joined = new Map([["a", { kind: "joined", parts: [take("low"), take("high")] } as const]]);
  assert.equal(await weightsFingerprint({ ...rest, tensors: others, arranged: joined }), base);
  const transposition = new Map([["a", { kind: "transposed", matrix: take("transposed") } as const]]);
  assert.equal(await weightsFingerprint({ ...rest, tensors: others, arranged: transposition }), base);
  const one = floatTensor([3, 3], Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1));
  const whole = await weightsFingerprint(await source({ one }));
  const identity = new Map([["one", { kind: "identity", size: 3 } as const]]);
  assert.equal(await weightsFingerprint({ ...rest, tensors: new Map(), arranged: identity }), whole);
});

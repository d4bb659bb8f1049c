import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { floatTensor, type Tensor } from "../core/tensor.js";
import { OnnxRuntimeEngine } from "../runtime/onnxruntime/engine.js";
import { namesOf, shapesOnly } from "../testing/models/original.js";
import { refuses, runModel } from "../testing/models/support.js";
import { temporaryFolder } from "../testing/weights/support.js";
import { float32ToFloat16 } from "../weights/half.js";
import { openSafetensors, writeSafetensors } from "../weights/safetensors.js";
import type { WeightSource } from "../weights/source.js";
import { type Dialect, matrix, split, swap, translateKeys, transposed } from "./dialect.js";

const engine = new OnnxRuntimeEngine("cpu", 1);
after(() => engine.close());
const path = temporaryFolder();

const dialect: Dialect = [
  [/^blocks\.(\d+)\./, (_, index) => `layers.${Number(index) + 1}.`],
  [/\.qkv$/, split(".q", ".k", ".v")],
  [/\.modulation$/, swap(".norm")],
  [/^projection$/, transposed("project.weight")],
  [/\.kernel$/, matrix(".weight")],
];

/** Tensors with the values 0, 1, 2, ... under every name. */
function counted(shapes: Readonly<Record<string, readonly number[]>>, dtype: "float32" | "float16") {
  const tensors = new Map<string, Tensor>();
  for (const [name, shape] of Object.entries(shapes)) {
    const { data } = floatTensor(shape);
    const values = data.map((_, index) => index);
    tensors.set(
      name,
      dtype === "float32" ? floatTensor(shape, values) : { dtype, shape, data: float32ToFloat16(values) },
    );
  }
  return tensors;
}

/** Reads the tensors in a graph. */
async function read(source: WeightSource, shapes: Readonly<Record<string, readonly number[]>>) {
  const results = await runModel(engine, source, {}, (w) =>
    Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, w.tensor(name, shape)])),
  );
  return Object.fromEntries(Object.keys(shapes).map((name) => [name, [...results(name).data]]));
}

describe("arranged weights in a graph", () => {
  for (const dtype of ["float32", "float16"] as const) {
    it(`are split, joined, transposed and flattened from a file of ${dtype}`, async () => {
      const file = path(`${dtype}.safetensors`);
      const shapes = {
        "blocks.0.qkv": [6, 2],
        "blocks.0.modulation": [4],
        projection: [2, 3],
        "a.kernel": [2, 2, 1, 1],
      };
      await writeSafetensors(file, counted(shapes, dtype));
      const source = translateKeys(await openSafetensors(file), dialect);
      const values = await read(source, {
        "layers.1.q": [2, 2],
        "layers.1.k": [2, 2],
        "layers.1.v": [2, 2],
        "layers.1.norm": [4],
        "project.weight": [3, 2],
        "a.weight": [2, 2],
      });
      assert.deepEqual(values, {
        "layers.1.q": [0, 1, 2, 3],
        "layers.1.k": [4, 5, 6, 7],
        "layers.1.v": [8, 9, 10, 11],
        "layers.1.norm": [2, 3, 0, 1],
        "project.weight": [0, 3, 1, 4, 2, 5],
        "a.weight": [0, 1, 2, 3],
      });
    });
  }

  it("may be an identity matrix", async () => {
    const source = { ...shapesOnly({}), arranged: new Map([["eye", { kind: "identity", size: 3 } as const]]) };
    assert.deepEqual(await read(source, { eye: [3, 3] }), { eye: [1, 0, 0, 0, 1, 0, 0, 0, 1] });
  });

  it("must have the expected shape, and be used", async () => {
    const source = translateKeys(shapesOnly({ "a.modulation": [6, 5], projection: [2, 3] }), dialect);
    const build = (shape: readonly number[]) =>
      runModel(engine, source, {}, (w) => {
        const x = w.tensor("a.norm", shape);
        w.requireAllUsed();
        return { x };
      });
    await assert.rejects(build([5, 6]), /a\.norm has shape \[6,5\], the configuration requires \[5,6\]/);
    await assert.rejects(build([6, 5]), /1 tensors do not belong to the configured model: project\.weight/);
  });
});

describe("translateKeys", () => {
  it("keeps keys that no pattern matches", () => {
    const source = shapesOnly({ other: [3] });
    assert.deepEqual(translateKeys(source, dialect).tensors, source.tensors);
  });

  it("keeps a key if its new name, or one of its new names, is taken", () => {
    const shapes = {
      "a.qkv": [6],
      "a.k": [2],
      "b.kernel": [1, 1],
      "b.weight": [1, 1],
      "c.modulation": [2],
      "c.norm": [2],
    };
    assert.deepEqual(namesOf(translateKeys(shapesOnly(shapes), dialect)), Object.keys(shapes).sort());
  });

  it("rejects shapes that it cannot rearrange", () => {
    const of = (name: string, shape: readonly number[]) => () => translateKeys(shapesOnly({ [name]: shape }), dialect);
    refuses(of("a.qkv", [7, 2]), /a\.qkv has shape \[7,2\], which is not 3 equal parts of rows/);
    refuses(of("a.qkv", [0, 2]), /not 3 equal parts/);
    refuses(of("a.qkv", []), /not 3 equal parts/);
    refuses(of("a.modulation", [3]), /not two halves of rows/);
    refuses(of("projection", [2, 3, 1]), /projection has shape \[2,3,1\], which is not a matrix/);
    refuses(of("a.kernel", [2, 3, 1, 2]), /not a matrix/);
    refuses(of("a.kernel", [2]), /not a matrix/);
  });
});

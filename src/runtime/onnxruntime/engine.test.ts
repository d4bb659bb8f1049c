import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { promisify } from "node:util";
import { intTensor } from "../../core/tensor.js";
import { Graph } from "../../graph/graph.js";
import { writeOnnx } from "../../graph/onnx/writer.js";
import * as ops from "../../graph/ops.js";
import { assertFails, engineContract, gatherModel, rows, x } from "../../testing/runtime/engine-contract.js";
import { providers } from "../engine.js";
import { OnnxRuntimeEngine } from "./engine.js";

const engine = new OnnxRuntimeEngine("cpu", 1);
const folder = await realpath(await mkdtemp(join(tmpdir(), "softrepa-engine-")));
after(async () => {
  await engine.close();
  await rm(folder, { recursive: true, force: true });
});

describe("onnxruntime", () => engineContract(async () => new OnnxRuntimeEngine("cpu", 1)));

describe("a run in onnxruntime", () => {
  it("rejects bfloat16 inputs and outputs", async () => {
    for (const [from, to] of [
      ["bfloat16", "float32"],
      ["float32", "bfloat16"],
    ] as const) {
      const graph = new Graph();
      const y = ops.cast(ops.input(graph, "x", [1], from), to);
      const model = writeOnnx(graph, { y }, engine.target);
      await assertFails(() => engine.compile(model), /^provider cpu cannot prepare the model: Unsupported data type/);
    }
  });
  it("reports a failure inside onnxruntime and keeps the session usable", async () => {
    const session = await engine.compile(gatherModel(engine));
    await assertFails(() => session.run({ x, rows: intTensor([2], [0, 5]) }), /gather.*out of data bounds, idx=5/);
    assert.deepEqual([...(await session.run({ x, rows })).picked.data], [4, 5, 6, 4, 5, 6]);
  });
  it("writes a profile with node names", async () => {
    const session = await engine.compile(gatherModel(engine), { profilePrefix: join(folder, "profile") });
    await session.run({ x, rows });
    await session.release();
    const [file] = (await readdir(folder)).filter((name) => name.startsWith("profile"));
    const events: unknown = JSON.parse(await readFile(join(folder, file), "utf8"));
    assert.ok(Array.isArray(events) && events.some(({ name }) => String(name).startsWith("/gather.2.0")));
  });
});

describe("an unavailable provider", () => {
  for (const provider of providers) {
    if (provider === "cpu") continue;
    it(`is named in the error: ${provider}`, async (t) => {
      const other = new OnnxRuntimeEngine(provider, 1);
      try {
        await other.compile(gatherModel(engine));
        t.skip(`this machine has ${provider}`);
      } catch (error) {
        await assertFails(
          () => Promise.reject(error),
          new RegExp(`^provider ${provider} cannot prepare the model: [^/]+$`),
        );
      } finally {
        await other.close();
      }
    });
  }
});

describe("a process", () => {
  const at = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  /** Runs `code` in a process that has a small model, and returns what it prints. */
  async function outputOf(code: string): Promise<string> {
    const script = `
      import { Graph } from ${at("../../graph/graph.js")};
      import * as ops from ${at("../../graph/ops.js")};
      import { writeOnnx } from ${at("../../graph/onnx/writer.js")};
      import { floatTensor } from ${at("../../core/tensor.js")};
      import { OnnxRuntimeEngine } from ${at("./engine.js")};
      const engine = new OnnxRuntimeEngine("cpu", 1);
      const graph = new Graph();
      const model = writeOnnx(graph, { y: ops.neg(ops.input(graph, "x", [1])) }, engine.target);
      const feeds = { x: floatTensor([1], Float32Array.of(2)) };
      ${code}`;
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script], {
      timeout: 60_000,
    });
    return stdout + stderr;
  }
  it("exits although its engine was never closed", async () => {
    const code = `const session = await engine.compile(model); console.log((await session.run(feeds)).y.data[0]);`;
    assert.equal(await outputOf(code), "-2\n");
  });
  it("exits when its engine was never used", async () => {
    assert.equal(await outputOf(""), "");
  });
  it("does not exit before a pending run has finished", async () => {
    const code = `engine.compile(model).then((session) => session.run(feeds)).then(({ y }) => console.log(y.data[0]));`;
    assert.equal(await outputOf(code), "-2\n");
  });
  it("gets errors for failures and prints nothing else", async () => {
    const code = `await engine.compile({ ...model, bytes: new Uint8Array(9) }).catch(({ name }) => console.log(name));
      const whole = new Graph();
      const rows = ops.gather(ops.input(whole, "x", [1]), ops.integers(whole, [1], [3]));
      const session = await engine.compile(writeOnnx(whole, { rows }, engine.target));
      await session.run(feeds).catch(({ name }) => console.log(name));`;
    assert.equal(await outputOf(code), "RuntimeFailure\nRuntimeFailure\n");
  });
});

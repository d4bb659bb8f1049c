import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { changeJson, changeTensors } from "#softrepa/testing/pipelines/support.js";
import { fixture } from "#softrepa/testing/weights/support.js";

const main = fileURLToPath(new URL("main.js", import.meta.url));

interface Outcome {
  readonly code: number;
  readonly lines: readonly string[];
  readonly err: string;
}

function parityFull(...args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, "--threads", "1", ...args], (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), lines: out.trim().split("\n"), err }),
    );
  });
}

const parts = ["output_base", "output", "errors", "loss", "grad.tokens", "grad.t_tokens.row61"];

describe("parity:full with small models", () => {
  let root = "";
  const goldens = () => join(root, "goldens");
  const run = (...args: readonly string[]) =>
    parityFull("--goldens", goldens(), "--cache", join(root, "cache"), ...args);
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "softrepa-parity-full-"));
    await cp(fixture("parity-full-small"), goldens(), { recursive: true });
  });
  after(() => rm(root, { recursive: true, force: true }));

  it("passes the reference's outputs and caches the weights", async () => {
    const first = await run();
    assert.equal(first.code, 0);
    assert.match(
      first.err,
      /^writing 0 million synthetic weights to .*sd15-[0-9a-f]{8}\.safetensors\nwriting .*sd3-.*\n$/,
    );
    const verdicts = first.lines.slice(0, 12).map((line) => `${line.split(/ {2,}/)[0]} ${line.split(" ").at(-1)}`);
    assert.deepEqual(
      verdicts,
      ["sd15", "sd3"].flatMap((model) => parts.map((part) => `goldens/${model} ${part} ok`)),
    );
    const files = await readdir(join(root, "cache"));
    const times = () => Promise.all(files.map(async (file) => (await stat(join(root, "cache", file))).mtimeMs));
    const before = await times();
    const second = await run("sd3");
    assert.deepEqual([second.code, second.err, await times()], [0, "", before]);
    assert.equal(second.lines.filter((line) => line.startsWith("goldens/sd3 ")).length, parts.length);
  });

  it("fails on wrong outputs", async () => {
    await changeTensors(join(goldens(), "sd15.safetensors"), (tensors) => {
      for (const name of ["output", "grad.tokens"]) {
        const { data } = tensors.get(name) ?? {};
        assert.ok(data instanceof Float32Array);
        data[5] += Math.max(...data) / 10;
      }
    });
    const { code, lines } = await run("sd15");
    assert.equal(code, 1);
    const failed = lines.filter((line) => / FAIL$/.test(line)).map((line) => line.split(/ {2,}/)[0]);
    assert.deepEqual(failed, ["goldens/sd15 output", "goldens/sd15 grad.tokens"]);
  });

  it("does not reuse the cached weights of another model", async () => {
    await changeJson(join(goldens(), "sd3.json"), { config: { _class_name: "SD3Transformer2DModel" } });
    const broken = await run("sd3");
    assert.equal(broken.code, 1);
    assert.match(broken.lines[0], /^goldens\/sd3 +FAIL \(.*\)$/);
    await cp(join(fixture("parity-full-small"), "sd3.json"), join(goldens(), "sd3.json"));
    const count = (await readdir(join(root, "cache"))).length;
    await changeJson(join(goldens(), "sd15.json"), {
      config: { ...(await config("sd15")), block_out_channels: [8, 24] },
    });
    assert.equal((await run("sd15")).code, 1);
    assert.equal((await readdir(join(root, "cache"))).length, count + 1);
  });

  it("rejects invalid arguments with a one-line message", async () => {
    await writeFile(join(root, "file"), "x");
    for (const [args, code, message] of [
      [["sdxl"], 1, /^parity:full: .*goldens has no sdxl: sd15, sd3\n$/],
      [["--goldens", join(root, "nowhere")], 1, /^parity:full: no such file or folder: .*nowhere\n$/],
      [["--fast"], 2, /^parity:full: .*'--fast'.*usage: npm run parity:full[^\n]*\n$/],
      [["--threads", "x"], 2, /^parity:full: --threads x is not a whole number \(usage: [^\n]*\n$/],
    ] as const) {
      const outcome = await run(...args);
      assert.deepEqual([outcome.code, outcome.lines], [code, [""]], outcome.err);
      assert.match(outcome.err, message);
    }
  });
});

async function config(model: string): Promise<object> {
  const text = await readFile(fixture("parity-full-small", `${model}.json`), "utf8");
  return (JSON.parse(text) as { config: object }).config;
}

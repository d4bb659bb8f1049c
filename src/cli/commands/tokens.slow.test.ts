import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, writeFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { floatTensor } from "../../core/tensor.js";
import { readSoftTokens, writeSoftTokens } from "../../softtokens/formats/index.js";
import type { SoftTokens } from "../../softtokens/softtokens.js";
import { temporaryFolder } from "../../testing/weights/support.js";

const at = temporaryFolder();
const module = new URL("./tokens.js", import.meta.url);
const script = `
  const { tokensCommand } = await import(${JSON.stringify(module.href)});
  try {
    await tokensCommand().parseAsync(process.argv.slice(2), { from: "user" });
  } catch (error) {
    process.stderr.write(error.name + ": " + error.message + "\\n");
    process.exitCode = 1;
  }
`;

/** Runs the command in a child process; from a file, because `node -e ... inspect` would start the debugger. */
async function run(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  await writeFile(at("run.mjs"), script);
  return new Promise((resolve) => {
    execFile(process.execPath, [at("run.mjs"), ...args], { timeout: 60_000 }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}

const tokens: SoftTokens = {
  placement: "prefix",
  tokens: floatTensor([2, 2, 2], Float32Array.of(3, 4, 0, 0, 1, 1, 1, 1)),
  timeTable: floatTensor(
    [12, 4],
    Float32Array.from({ length: 48 }, (_, i) => (i < 4 ? 1 : 0)),
  ),
  metadata: { "softrepa.family": "sd3" },
};

describe("tokens inspect", () => {
  it("prints sizes, norms and metadata", async () => {
    await writeSoftTokens(at("a.safetensors"), tokens, "softrepa");
    const { code, out, err } = await run("inspect", at("a.safetensors"));
    assert.equal(err, "");
    assert.equal(code, 0);
    assert.deepEqual(out.split("\n"), [
      `file             ${at("a.safetensors")}`,
      "format           softrepa safetensors",
      "placement        prefix (before the text)",
      "tokens           [2,2,2]: 2 layers, 2 tokens, 2 wide",
      "time table       [12,4]: 12 buckets, 2 wide per layer",
      "parameters       56",
      "layer norms      5.000 2.000",
      "bucket norms     2.000 0.000 0.000 0.000 0.000 0.000 0.000 0.000 0.000 0.000",
      "                 0.000 0.000",
      'softrepa.family  "sd3"',
      "",
    ]);
  });

  it("prints one JSON object", async () => {
    await writeSoftTokens(at("j.safetensors"), { ...tokens, timeTable: null }, "softrepa");
    const { out } = await run("inspect", "--json", at("j.safetensors"));
    assert.deepEqual(JSON.parse(out), {
      path: at("j.safetensors"),
      format: "softrepa",
      shapes: { tokens: [2, 2, 2], timeTable: null },
      placement: "prefix",
      layers: 2,
      count: 2,
      width: 2,
      buckets: 0,
      timeWidth: 0,
      parameters: 8,
      nonFinite: 0,
      layerNorms: [5, 2],
      bucketNorms: [],
      metadata: { "softrepa.family": "sd3" },
    });
  });

  it("reports non-finite values", async () => {
    const broken = { ...tokens, tokens: floatTensor([1, 1, 2], Float32Array.of(Number.NaN, 1)), timeTable: null };
    await writeSoftTokens(at("n.safetensors"), broken, "softrepa");
    assert.match(
      (await run("inspect", at("n.safetensors"))).out,
      /1 values are NaN or infinite: these tokens are broken/,
    );
  });

  it("fails with one line", async () => {
    await writeFile(at("dc_tokens.pth"), "text");
    assert.deepEqual(await run("inspect", at("dc_tokens.pth")), {
      code: 1,
      out: "",
      err: `InputError: ${at("dc_tokens.pth")} is not a PyTorch file: it is not a zip archive\n`,
    });
  });
});

describe("tokens convert", () => {
  it("guesses the format from the name, and reports dropped metadata", async () => {
    await writeSoftTokens(at("c.safetensors"), tokens, "softrepa");
    const there = await run("convert", at("c.safetensors"), at("sd1.5"));
    assert.equal(there.code, 0);
    assert.equal(there.out, "");
    assert.match(there.err, /softrepa -> official: wrote .*sd1\.5\/dc_tokens\.pth and .*sd1\.5\/dc_t_tokens\.pth\n/);
    assert.match(there.err, /the official format has no metadata; dropped: softrepa\.family\n/);
    assert.deepEqual((await readdir(at("sd1.5"))).sort(), ["dc_t_tokens.pth", "dc_tokens.pth"]);
    const back = await run("convert", at("sd1.5", "dc_tokens.pth"), at("back.safetensors"));
    assert.match(back.err, /^official -> softrepa: wrote .*back\.safetensors\n$/);
    assert.deepEqual(await readSoftTokens(at("back.safetensors")), { ...tokens, metadata: {} });
  });

  it("uses the format given by --format", async () => {
    await writeSoftTokens(at("d.safetensors"), tokens, "softrepa");
    const { code, err } = await run("convert", at("d.safetensors"), at("e.safetensors"), "--format", "comfy");
    assert.equal(code, 0, err);
    assert.match((await run("inspect", at("e.safetensors"))).out, /ComfyUI \(anima_lora\) safetensors/);
  });

  it("rejects names without a known format, and unknown formats", async () => {
    await writeSoftTokens(at("f.safetensors"), tokens, "softrepa");
    const unknown = await run("convert", at("f.safetensors"), at("f.bin"));
    assert.equal(unknown.code, 1);
    assert.match(
      unknown.err,
      /^UsageError: cannot tell the format from the name .*f\.bin: add --format softrepa, official, comfy\n$/,
    );
    assert.match(
      (await run("convert", at("f.safetensors"), at("g"), "--format", "onnx")).err,
      /Allowed choices are softrepa, official, comfy/,
    );
  });
});

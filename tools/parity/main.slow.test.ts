import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
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

function parity(...args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), lines: out.trim().split("\n"), err }),
    );
  });
}

/** The names of comparisons, `folder/golden part`. */
const named = (lines: readonly string[], verdict: RegExp) =>
  lines.filter((line) => verdict.test(line)).map((line) => line.split(/ {2,}/)[0]);

const stepsOf = (golden: string) =>
  [0, 1, 2].flatMap((step) =>
    ["errors", "logits", "loss", "grad.tokens", "after.tokens", "grad.t_tokens", "after.t_tokens"].map(
      (part) => `${golden} step${step}.${part}`,
    ),
  );
const samples = ["sample-base latent", "sample-base image", "sample-soft latent", "sample-soft image"];
const vae = ["vae mean", "vae logvar", "vae decoded"];
const sd3 = [
  ...["denoiser output_base", "denoiser output", "denoiser wide.output"],
  ...["base", "soft"].flatMap((name) => ["sigmas", "edited"].map((part) => `flowedit-${name} ${part}`)),
  ...samples,
  ...["timesteps", "sigmas", "samples"].map((part) => `scheduler-flow-euler ${part}`),
  ...stepsOf("softrepa"),
  ...["tokenizer", "tokenizer_2", "tokenizer_3", "prompt_embeds", "pooled"].map((part) => `text ${part}`),
  ...vae,
];
const unet = (texts: readonly string[]) => [
  ...["TFF", "TTF", "TTT"].flatMap((stages) => [`denoiser-${stages} output_base`, `denoiser-${stages} output`]),
  ...samples,
  ...["ddim", "dpmpp2m", "euler", "pndm"].flatMap((name) => {
    const parts = /^(ddim|pndm)$/.test(name) ? ["timesteps", "samples"] : ["timesteps", "sigmas", "samples"];
    return parts.map((part) => `scheduler-${name} ${part}`);
  }),
  ...["TFF", "TTF"].flatMap((stages) => stepsOf(`softrepa-${stages}`)),
  ...texts.map((part) => `text ${part}`),
  ...vae,
];

const metrics = [
  ...["pixels", "input_ids", "image_embeds", "text_embeds", "cosine"].map((part) => `clip ${part}`),
  "frechet",
  ...["visual_cls", "reward"].map((part) => `imagereward ${part}`),
  "inception features",
  "lpips distance",
];

/** The methods of image editing whose goldens are among the fixtures. */
const editMethods = {
  sd15: ["ddim inversion", "flowedit", "img2img", "inpaint", "masactrl", "pnp"],
  sdxl: ["ddim inversion", "flowedit", "img2img", "inpaint"],
  sd3: ["flowalign", "flowedit", "img2img", "inpaint"],
  sd35: ["flowalign", "img2img", "inpaint"],
};

async function editCases(folder: string) {
  const read = async (name: string) => JSON.parse(await readFile(fixture("parity", folder, `${name}.json`), "utf8"));
  const { cases }: { cases: string[] } = await read("meta");
  const methods = new Set<string>();
  for (const name of cases) methods.add((await read(name)).method);
  return { cases, methods: [...methods].sort() };
}

describe("parity", () => {
  it("passes all goldens of all families and of the tokenizer, and lists the others as not covered", async () => {
    const { code, lines, err } = await parity(fixture("parity"));
    assert.deepEqual([code, err], [0, ""]);
    assert.deepEqual(named(lines, / FAIL( |$)/), []);
    const passed = [
      "clip-tokenizer/golden-sd1",
      "clip-tokenizer/golden-sdxl2",
      ...metrics.map((name) => `eval/${name}`),
      ...unet(["tokenizer", "prompt_embeds"]).map((name) => `sd15/${name}`),
      ...sd3.map((name) => `sd3/${name}`),
      ...sd3.map((name) => `sd35/${name}`),
      ...unet(["tokenizer", "tokenizer_2", "prompt_embeds", "pooled"]).map((name) => `sdxl/${name}`),
    ];
    const ok = named(lines, / ok( |$)/);
    const edits = ok.filter((name) => name.startsWith("edit-"));
    assert.deepEqual(
      ok.filter((name) => !edits.includes(name)),
      passed,
    );
    for (const [family, methods] of Object.entries(editMethods)) {
      const { cases, methods: found } = await editCases(`edit-${family}`);
      assert.deepEqual(found, methods);
      for (const name of cases) {
        for (const part of ["source", "timesteps", "samples", "latent", "image"]) {
          if (family.startsWith("sd3") || part !== "timesteps" || !name.startsWith("flowedit")) {
            assert.ok(edits.includes(`edit-${family}/${name} ${part}`), `edit-${family}/${name} ${part}`);
          }
        }
      }
      assert.ok(edits.includes(`edit-${family}/strength steps_run`));
    }
    assert.ok(edits.includes("edit-sd15/invert-errors 200 steps"));
    const open = named(lines, /not covered yet$/).slice(0, -1);
    const counts = `${ok.length} passed, 0 failed, ${open.length} not covered yet`;
    assert.equal(lines.at(-1), counts);
  });
});

describe("parity of a copy", () => {
  let root = "";
  /** A family folder with the goldens that run fast. */
  const folder = () => join(root, "mine");
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "softrepa-parity-"));
  });
  after(() => rm(root, { recursive: true, force: true }));
  const fresh = async () => {
    await rm(folder(), { recursive: true, force: true });
    await mkdir(folder());
    await symlink(fixture("parity", "sd3", "pipeline"), join(folder(), "pipeline"));
    const names = ["meta.json", "prompts.json", "text.json", "text.safetensors"];
    for (const name of [...names, "scheduler-flow-euler.json", "scheduler-flow-euler.safetensors"]) {
      await cp(fixture("parity", "sd3", name), join(folder(), name));
    }
  };
  const failing = ({ lines }: Outcome) => named(lines, / FAIL( |$)/);

  it("accepts a single family folder of any name", async () => {
    await fresh();
    const outcome = await parity(folder());
    assert.deepEqual(
      [outcome.code, outcome.err, outcome.lines.at(-1)],
      [0, "", "8 passed, 0 failed, 0 not covered yet"],
    );
    assert.ok(outcome.lines.slice(0, -1).every((line) => line.startsWith("mine/") && / ok$/.test(line)));
  });

  it("fails on one value outside its tolerance", async () => {
    await fresh();
    const golden = join(folder(), "text.safetensors");
    const move = (by: number) =>
      changeTensors(golden, (tensors) => {
        const { data } = tensors.get("pooled") ?? {};
        assert.ok(data instanceof Float32Array);
        data[17] += by;
      });
    await move(1e-4);
    assert.equal((await parity(folder())).code, 0);
    await move(2e-3);
    const outcome = await parity(folder());
    assert.deepEqual([outcome.code, failing(outcome)], [1, ["mine/text pooled"]]);
    assert.equal(outcome.lines.at(-1), "7 passed, 1 failed, 0 not covered yet");
  });

  it("fails on one wrong token id, an unreadable golden, and an empty golden", async () => {
    await fresh();
    await writeFile(join(folder(), "scheduler-flow-euler.safetensors"), "no tensors");
    const text: { prompts: string[]; input_ids_2: number[][] } = JSON.parse(
      await readFile(join(folder(), "text.json"), "utf8"),
    );
    text.input_ids_2[0][3] += 1;
    await writeFile(join(folder(), "text.json"), JSON.stringify(text));
    const one = await parity(folder());
    assert.deepEqual([one.code, one.err], [1, ""]);
    assert.deepEqual(failing(one), ["mine/scheduler-flow-euler.safetensors", "mine/text tokenizer_2"]);
    await writeFile(join(folder(), "text.json"), JSON.stringify({ prompts: text.prompts }));
    assert.ok(failing(await parity(folder())).includes("mine/text.json"));
  });

  it("fails on a pipeline of a supported class that does not open, instead of skipping it", async () => {
    await fresh();
    await rm(join(folder(), "pipeline"));
    await cp(fixture("parity", "sd3", "pipeline"), join(folder(), "pipeline"), { recursive: true });
    const config = join(folder(), "pipeline", "scheduler", "scheduler_config.json");
    await changeJson(config, { use_karras_sigmas: true });
    const closed = await parity(folder());
    assert.equal(closed.code, 1);
    assert.equal(failing(closed).length, 3);
    assert.ok(closed.lines.slice(0, -1).every((line) => line.includes("use_karras_sigmas")));
    await changeJson(join(folder(), "pipeline", "model_index.json"), { _class_name: "OtherPipeline" });
    const other = await parity(folder());
    assert.equal(other.lines.at(-1), "0 passed, 0 failed, 3 not covered yet");
    // It also fails if nothing passed.
    assert.equal(other.code, 1);
  });

  it("rejects paths that are not folders of goldens with a one-line message", async () => {
    const file = join(root, "file");
    await writeFile(file, "x");
    for (const [args, code, message] of [
      [[], 2, /^usage: npm run parity -- FOLDER[^\n]*\n$/],
      [[join(root, "nowhere")], 1, /^parity: .*nowhere does not exist\n$/],
      [[file], 1, /^parity: .*file is not a folder\n$/],
    ] as const) {
      const outcome = await parity(...args);
      assert.deepEqual([outcome.code, outcome.lines], [code, [""]]);
      assert.match(outcome.err, message);
    }
  });
});

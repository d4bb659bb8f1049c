/** @file Installs the packed tarball in a strict project, where the programs of the documentation must compile without casts and run. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { readPngText } from "../data/png.js";
import { SoftTokens } from "../index.js";
import { smallTokens } from "../testing/cli/support.js";
import { writeTestImages } from "../testing/data/test-images.js";
import { changeJson, pipelineFolder } from "../testing/pipelines/support.js";

const run = promisify(execFile);

/** The program of docs/library.md, with small sizes. */
const program = `
import { open, SoftTokens } from "softrepa";
import { flowEdit } from "softrepa/editing";
import { inBatch, type Objective } from "softrepa/training";

const hinge: Objective = {
  name: "hinge",
  candidates: inBatch(2),
  row(errors, own) {
    const cotangents = errors.map(() => 0);
    let loss = 0;
    for (const [caption, error] of errors.entries()) {
      const violation = (errors[own] ?? 0) - error + 0.1;
      if (caption === own || violation <= 0) continue;
      loss += violation;
      cotangents[own] = (cotangents[own] ?? 0) + 1;
      cotangents[caption] = (cotangents[caption] ?? 0) - 1;
    }
    return { loss, cotangents };
  },
};

await using model = await open("pipeline", { engine: "onnxruntime", provider: "cpu", threads: 1, maxSequenceLength: 24 });
const tokens = await SoftTokens.read("tokens.safetensors");
const [image] = await model.generate("two cats", { tokens, seed: 7, steps: 2, width: 32, height: 32 });
await image.save("cats.png");
const method = flowEdit({ steps: 2, nMax: 1 });
const edited = await model.edit("cats.png", { source: "two cats", target: "two dogs", tokens, method });
console.log("edited", edited.width, edited.settings["method"]);
const run = await model.train({ data: ["photos"], out: "runs/cats", objective: hinge, steps: 2, layers: 2, batch: 3, resolution: 32, holdOut: 3 });
for await (const event of run) if (event.type === "validation") console.log("validation", event.rank1);
const { errors, rank1 } = await model.score({ images: ["photos/red-circle.png", "cats.png"], captions: ["a red circle", "two cats"], tokens, resolution: 32, timesteps: 2 });
console.log("score", errors.length, rank1);
`;

const family = `
import { open } from "softrepa";
import { type Family, openAutoencoderKl, openSingleClip, unetPipelineParts } from "softrepa/families";

const mine: Family = {
  name: "mine",
  title: "My model",
  className: "MyPipeline",
  architecture: "my-model-v1",
  defaults: { steps: 2, guidanceScale: 1, dweight: 0, layers: 1, stages: ["mid"], initialTokens: "noise" },
  paper: null,
  singleFile: null,
  open: async (source) => unetPipelineParts(source, { openTextEncoders: openSingleClip, forceZerosForEmptyPrompt: false }),
};
void openAutoencoderKl;

await using model = await open("mine", { families: [mine], engine: "onnxruntime", provider: "cpu", threads: 1 });
const [image] = await model.generate("a cat", { seed: 1, width: 16, height: 16 });
console.log(model.family, image.width);
`;

const graph = `
import { gradientsOfSum, Graph, openEngine, ops, writeOnnx } from "softrepa/graph";
import { metricNames } from "softrepa/evaluation";

const graph = new Graph();
const x = ops.input(graph, "x", [2, 3]);
const y = ops.reduceMean(ops.mul(x, x), [1]);
const [gradient] = gradientsOfSum(y, [x]);
const { engine } = await openEngine({ engine: "onnxruntime", provider: "cpu", threads: 1 });
const session = await engine.compile(writeOnnx(graph, { y, ...(gradient && { gradient }) }, engine.target));
const results = await session.run({ x: { dtype: "float32", shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) } });
const found = results["gradient"];
if (found?.dtype === "float32") console.log("gradient", Array.from(found.data, (value) => value.toFixed(3)).join(" "));
console.log(metricNames.length > 0);
await engine.close();
`;

const tsconfig = {
  compilerOptions: {
    ...{ target: "es2022", lib: ["es2022", "esnext.disposable"], module: "nodenext", types: ["node"], strict: true },
    ...{ exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noPropertyAccessFromIndexSignature: true },
    ...{ noEmitOnError: true, verbatimModuleSyntax: true },
  },
};

describe("the packed package", () => {
  let project = "";
  const start = async (file: string) => (await run(process.execPath, [file], { cwd: project })).stdout;
  before(async () => {
    project = await mkdtemp(join(tmpdir(), "softrepa-project-"));
    const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", project]);
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
    // Dependencies as an installation has them, without a network.
    const modules = join(project, "node_modules");
    await mkdir(join(modules, "softrepa"), { recursive: true });
    await run("tar", ["-xzf", join(project, filename), "-C", join(modules, "softrepa"), "--strip-components=1"]);
    for (const name of await readdir("node_modules")) await symlink(resolve("node_modules", name), join(modules, name));
    await writeFile(join(project, "package.json"), JSON.stringify({ type: "module", private: true }));
    await writeFile(join(project, "tsconfig.json"), JSON.stringify(tsconfig));
    for (const [name, text] of Object.entries({ program, family, graph })) {
      await writeFile(join(project, `${name}.ts`), text);
    }
    await cp(pipelineFolder("sd3"), join(project, "pipeline"), { recursive: true });
    await cp(pipelineFolder("sd15"), join(project, "mine"), { recursive: true });
    await changeJson(join(project, "mine", "model_index.json"), { _class_name: "MyPipeline" });
    await SoftTokens.write(join(project, "tokens.safetensors"), smallTokens());
    await writeTestImages(join(project, "photos"));
  });
  after(() => rm(project, { recursive: true, force: true }));

  it("compiles the programs and the package's declarations strictly", async () => {
    const tsc = resolve("node_modules", ".bin", "tsc");
    await run(tsc, ["-p", project]).catch((error: { stdout?: string }) => assert.fail(error.stdout));
  });

  it("opens, generates, edits, trains with a custom objective, and scores", async () => {
    const out = await start("program.js");
    assert.match(out, /^validation (0|0\.\d+|1)$/m);
    assert.match(out, /^score 2 (0|0\.5|1)$/m);
    assert.match(out, /^edited 32 flowedit$/m);
    assert.match((await readPngText(join(project, "cats.png"))).softrepa ?? "", /"tokens":"tokens\.safetensors"/);
  });

  it("opens a custom family", async () => assert.equal(await start("family.js"), "mine 16\n"));

  it("builds, differentiates and runs graphs", async () => {
    assert.equal(await start("graph.js"), "gradient 0.667 1.333 2.000 2.667 3.333 4.000\ntrue\n");
  });
});

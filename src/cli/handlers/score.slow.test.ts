import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { writeSoftTokens } from "../../softtokens/formats/index.js";
import {
  eventFrom,
  events,
  eventsOf,
  model,
  type Outcome,
  outcomeOf,
  scratchFolder,
  smallTokens,
  start,
  succeeds,
  writeTestImages,
} from "../../testing/cli/support.js";

const at = await scratchFolder();
const images = ["red-circle.png", "blue-square.png", "green-triangle.png"].map((name) => at("data", name));
const captions = ["a red circle", "a blue square", "a green triangle"];
const pairs = ["--images", ...images, "--captions", ...captions];
const measure = ["score", ...model, "--resolution", "32", "--timesteps", "2", "--seed", "5"];

describe("softrepa score", () => {
  let errors: number[][] = [];
  before(async () => {
    await writeTestImages(at("data"));
    await writeSoftTokens(at("tokens.safetensors"), smallTokens(), "softrepa");
  });

  it("reports the matrix of errors and the share of images whose matched caption ranks first, as JSON", async () => {
    const reported = await events(...measure, ...pairs);
    assert.deepEqual([...new Set(reported.map(({ event }) => event))], ["model", "progress", "scores"]);
    const scores = reported.at(-1);
    assert.ok(scores);
    errors = scores.errors as number[][];
    assert.deepEqual(
      errors.map(({ length }) => length),
      [3, 3, 3],
    );
    assert.ok(errors.flat().every((error) => error > 0.1 && error < 10));
    const right = errors.filter((row, image) => row[image] === Math.min(...row)).length;
    const { withoutCaption, imageRank1, leastMatched, ...rest } = scores;
    assert.deepEqual(rest, {
      ...{ event: "scores", images, captions, own: [[0], [1], [2]], errors, rank1: right / 3 },
      ...{ timesteps: [250, 750], noises: 1, seed: 5 },
    });
    const empty = withoutCaption as number[];
    assert.equal(empty.length, 3);
    const helped = captions.filter((_, caption) => {
      const lowered = errors.map((row, image) => row[caption] - empty[image]);
      return lowered[caption] === Math.min(...lowered);
    });
    assert.equal(imageRank1, helped.length / 3);
    const margins = (leastMatched as { image: number; margin: number }[]).map(({ image, margin }) => {
      const others = errors[image].filter((_, caption) => caption !== image);
      assert.equal(margin, errors[image][image] - Math.min(...others));
      return margin;
    });
    assert.deepEqual(
      margins,
      margins.toSorted((a, b) => b - a),
    );
  });

  it("prints the same as a table, with captions as rows and images as columns", async () => {
    const lines = (await succeeds(...measure, ...pairs)).trimEnd().split("\n");
    assert.match(lines[0], /red-circle\.png.*blue-square\.png.*green-triangle\.png/);
    for (const [row, caption] of captions.entries()) {
      const line = lines.find((text) => text.startsWith(caption));
      assert.ok(line, `no row for ${caption}`);
      const shown = [...line.slice(caption.length).matchAll(/\d+\.\d+/g)].map(([number]) => Number(number));
      assert.equal(shown.length, 3);
      for (const [image, number] of shown.entries()) assert.ok(Math.abs(number - errors[image][row]) < 0.005 * number);
    }
    assert.ok(lines.includes("* smallest error of the image   = matched caption"));
    assert.match(lines.at(-2) ?? "", /^matched image first: \d of 3 captions \(\d+\.\d%\)$/);
    assert.match(lines.at(-1) ?? "", /^matched caption first: \d of 3 images \(\d+\.\d%\)$/);
  });

  it("measures the mutual information of each pair by timestep with --information", async () => {
    const reported = await events(...measure, "--timesteps", "1", ...pairs, "--information");
    const [found] = reported.filter(({ event }) => event === "information");
    assert.ok(found);
    assert.deepEqual([found.unit, (found.pairs as number[]).length], ["nats", 3]);
    const curve = found.curve as { timestep: number; logSnr: number; mean: number }[];
    assert.equal(curve.length, 28);
    assert.ok(curve.every(({ timestep, mean }) => timestep > 0 && timestep < 1000 && Number.isFinite(mean)));
    const mean = (found.pairs as number[]).reduce((a, b) => a + b, 0) / 3;
    assert.ok(Math.abs(mean - (found.mean as number)) < 1e-9 * Math.abs(mean) + 1e-12);
    const lines = await succeeds(...measure, "--timesteps", "1", ...pairs, "--information");
    assert.match(lines, /timestep +log-SNR +nats per unit of log-SNR/);
    assert.match(lines, /^mean pointwise mutual information of image and caption: \S+ nats/m);
  });

  it("reads a data folder, fewer captions than images, and tokens", async () => {
    const [folder] = (await events(...measure, "--timesteps", "1", "--data", at("data"))).slice(-1);
    assert.deepEqual(
      (folder.errors as number[][]).map(({ length }) => length),
      Array(12).fill(12),
    );
    assert.ok(typeof folder.rank1 === "number");
    const one = ["--images", ...images, "--captions", captions[0], "--chunk", "2"];
    const [plain] = (await events(...measure, ...one)).slice(-1);
    assert.equal(plain.rank1, null);
    for (const [image, [error]] of (plain.errors as number[][]).entries()) {
      assert.ok(Math.abs(error - errors[image][0]) < 1e-5);
    }
    const [tuned] = (await events(...measure, ...one, "--tokens", at("tokens.safetensors"))).slice(-1);
    assert.notDeepEqual(tuned.errors, plain.errors);
    const off = ["--tokens", at("tokens.safetensors"), "--strength", "0"];
    const [none] = (await events(...measure, ...one, ...off)).slice(-1);
    assert.deepEqual(none.errors, plain.errors);
  });

  const long = [...measure, ...pairs, "--timesteps", "999", "--noises", "100", "--json"];

  it("exits with 130 after Ctrl+C", async () => {
    const child = start(long);
    const ended = outcomeOf(child);
    await eventFrom(child, "progress");
    child.kill("SIGINT");
    const { code, stdout, stderr } = await ended;
    assert.deepEqual([code, stderr], [130, "softrepa: interrupted\n"]);
    assert.equal(eventsOf(stdout).at(-1)?.kind, "interrupted");
  });

  it("ends immediately after a second Ctrl+C, even inside a run of the model", async () => {
    const end = await interruptedTwice();
    assert.deepEqual([end.code, end.signal, end.stderr], [null, "SIGINT", ""]);
  });

  /** Sends two signals within one run of some tenths of a second; tries again if the run ended too soon. */
  async function interruptedTwice(attempts = 5): Promise<Outcome> {
    const child = start([...long, "--resolution", "96", "--chunk", "300"]);
    const ended = outcomeOf(child);
    await eventFrom(child, "progress");
    await sleep(50);
    child.kill("SIGINT");
    await eventFrom(child, "warning");
    // SIGSTOP keeps the run from ending during the pause; without the pause the second signal would count as npm's echo.
    child.kill("SIGSTOP");
    await sleep(400);
    child.kill("SIGINT");
    child.kill("SIGCONT");
    const outcome = await ended;
    return outcome.code === 130 && attempts > 1 ? interruptedTwice(attempts - 1) : outcome;
  }
});

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, describe, it } from "node:test";
import {
  events,
  model,
  namesIn,
  outcomeOf,
  refusesTo,
  scratchFolder,
  start,
  succeeds,
} from "../../testing/cli/support.js";
import { captions } from "../../testing/pipelines/support.js";

const at = await scratchFolder();
const texts = ["--source", captions[0], "--target", captions[1]];
const command = ["edit", ...model, "--image", at("source.png"), ...texts, "--steps", "4", "--seed", "7"];

describe("softrepa edit --grid", () => {
  before(() =>
    succeeds(
      ...["generate", ...model, "--prompt", captions[0], "--steps", "2", "--seed", "3"],
      ...["--width", "32", "--height", "32", "--out", at("source.png")],
    ),
  );

  it("makes a labelled sheet whose cells are the images of single edits, with their scores", async () => {
    const told = await events(...command, "--grid", "n-max=2..3:1", "target-guidance=2,5", "--out", at("grid"));
    const [grid] = told.filter(({ event }) => event === "grid");
    const names = [
      "n-max=2_target-guidance=2.png",
      "n-max=2_target-guidance=5.png",
      "n-max=3_target-guidance=2.png",
      "n-max=3_target-guidance=5.png",
    ];
    assert.deepEqual(await namesIn(at("grid")), [...names, "sheet.html", "source.png"]);
    const cells = grid?.cells as readonly { readonly match: number; readonly psnr: number }[];
    assert.equal(cells.length, 4);
    for (const { match, psnr } of cells) assert.ok(Number.isFinite(match) && psnr > 0 && psnr <= 60);
    await succeeds(...command, "--n-max", "3", "--target-guidance", "5", "--out", at("single.png"));
    assert.deepEqual(await readFile(at("grid", names[3] ?? "")), await readFile(at("single.png")));
    const page = await readFile(at("grid", "sheet.html"), "utf8");
    assert.match(page, /n-max 3.*target-guidance 5|target-guidance 5.*n-max 3/s);
    assert.equal(page.match(/<img /g)?.length, 5);
    assert.doesNotMatch(page, /(src|href)="(?!data:|#)/);
  });

  it("checks all cells before it edits", async () => {
    const { code, stderr } = await outcomeOf(start([...command, "--grid", "n-max=2,9", "--out", at("none")]));
    assert.equal(code, 2);
    assert.match(stderr, /--n-max 9 is above the 4 steps/);
    assert.deepEqual(await namesIn(at("none")), []);
    await refusesTo([...command, "--grid", "colour=2", "--out", at("none")], 2, /--grid colour=2 must be an option/);
  });
});

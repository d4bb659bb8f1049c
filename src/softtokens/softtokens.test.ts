import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InputError } from "../core/errors.js";
import { floatTensor } from "../core/tensor.js";
import type { SoftTokenLayout } from "../pipelines/pipeline.js";
import { describeSoftTokens } from "./describe.js";
import { type Placement, requireFit, type SoftTokens, sizesOf, stagesOf } from "./softtokens.js";

function softTokens(
  shape: readonly number[],
  table: readonly number[] | null,
  placement: Placement = "prefix",
): SoftTokens {
  return { placement, tokens: floatTensor(shape), timeTable: table && floatTensor(table), metadata: {} };
}

function refusal(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    assert.ok(error instanceof InputError, String(error));
    return error.message;
  }
  throw new Error("was not refused");
}

describe("sizesOf", () => {
  it("returns the sizes of valid tokens", () => {
    const sizes = { layers: 5, count: 4, width: 1536, buckets: 100, timeWidth: 1536 };
    assert.deepEqual(sizesOf(softTokens([5, 4, 1536], [100, 7680]), "x"), sizes);
    assert.deepEqual(sizesOf(softTokens([5, 4, 4096], [100, 7680]), "x"), { ...sizes, width: 4096 });
    assert.deepEqual(sizesOf(softTokens([1, 4, 2048], null, "after-first"), "x"), {
      layers: 1,
      count: 4,
      width: 2048,
      buckets: 0,
      timeWidth: 0,
    });
  });

  const wrong: [string, SoftTokens, string][] = [
    ["no layers", softTokens([4, 8], null), "x: soft tokens have the shape [layers,count,width], not [4,8]"],
    ["no tokens", softTokens([1, 0, 8], null), "x: soft tokens have the shape [layers,count,width], not [1,0,8]"],
    [
      "layers in a UNet",
      softTokens([2, 4, 8], null, "after-first"),
      "x: tokens after the first text token have one layer, not 2",
    ],
    [
      "a table that cannot be split by layer",
      softTokens([2, 4, 8], [10, 15]),
      "x: the time table of 2-layer tokens has the shape [buckets,2*width], not [10,15]",
    ],
    [
      "a table of another rank",
      softTokens([2, 4, 8], [10, 2, 8]),
      "x: the time table of 2-layer tokens has the shape [buckets,2*width], not [10,2,8]",
    ],
    [
      "a UNet's table of another width",
      softTokens([1, 4, 8], [10, 6], "after-first"),
      "x: the time table is 6 wide, the tokens are 8",
    ],
  ];
  for (const [name, tokens, message] of wrong)
    it(`rejects ${name}`, () =>
      assert.equal(
        refusal(() => sizesOf(tokens, "x")),
        message,
      ));
});

describe("requireFit", () => {
  const small: SoftTokenLayout = {
    family: "sd3",
    placement: "prefix",
    layers: 6,
    rawWidth: 48,
    projectedWidth: 32,
    stages: null,
  };
  const unet: SoftTokenLayout = {
    family: "sd15",
    placement: "after-first",
    layers: 1,
    rawWidth: 768,
    projectedWidth: 768,
    stages: ["down"],
  };
  const inStages = (stages: string) => ({
    ...softTokens([1, 4, 768], null, "after-first"),
    metadata: { "softrepa.stages": stages },
  });

  it("accepts raw or projected tokens, with or without a time table", () => {
    requireFit(softTokens([5, 4, 32], [100, 160]), small);
    requireFit(softTokens([5, 4, 48], [100, 160]), small);
    requireFit(softTokens([6, 1, 32], null), small);
    requireFit(
      { ...softTokens([1, 4, 768], [100, 768], "after-first"), metadata: { "softrepa.family": "sd15" } },
      unet,
    );
  });

  it("uses the stages of the tokens or the family; none without a UNet", () => {
    assert.deepEqual(stagesOf(softTokens([1, 4, 768], null, "after-first"), unet), ["down"]);
    assert.deepEqual(stagesOf(inStages("mid"), unet), ["mid"]);
    assert.deepEqual(stagesOf(inStages("up, down"), unet), ["down", "up"]);
    assert.equal(stagesOf({ ...softTokens([6, 1, 32], null), metadata: { "softrepa.stages": "mid" } }, small), null);
  });

  const wrong: [string, SoftTokens, SoftTokenLayout, string][] = [
    ...["", "all", "down,down", "down,side"].map((stages): [string, SoftTokens, SoftTokenLayout, string] => [
      `stages ${JSON.stringify(stages)}`,
      inStages(stages),
      unet,
      `softrepa.stages is ${JSON.stringify(stages)}, not one or more of down, mid, up`,
    ]),
    [
      "another width",
      softTokens([5, 4, 1536], [100, 7680]),
      small,
      "tokens are 1536 wide, this pipeline's text stream is 32 (projected) or 48 (raw): they belong to another model",
    ],
    [
      "another width, where nothing is projected",
      softTokens([1, 4, 2048], null, "after-first"),
      unet,
      "tokens are 2048 wide, this pipeline's text stream is 768: they belong to another model",
    ],
    [
      "another table",
      softTokens([5, 4, 48], [100, 240]),
      small,
      "the tokens' time table is 48 wide per layer, this pipeline's text stream is 32: they belong to another model",
    ],
    [
      "another placement",
      softTokens([1, 4, 768], null),
      unet,
      "tokens go before the text, this pipeline (sd15) takes tokens after the first text token: they belong to another model",
    ],
    [
      "too many layers",
      softTokens([7, 4, 32], null),
      small,
      "tokens are for 7 layers, this pipeline has 6: they belong to another model",
    ],
    [
      "another family of the same widths",
      { ...softTokens([5, 4, 32], null), metadata: { "softrepa.family": "sd35" } },
      small,
      "tokens were trained for sd35, this pipeline is sd3: they belong to another model",
    ],
  ];
  for (const [name, tokens, layout, message] of wrong)
    it(`rejects ${name}`, () =>
      assert.equal(
        refusal(() => requireFit(tokens, layout)),
        message,
      ));
});

describe("describeSoftTokens", () => {
  it("returns norms per layer and bucket", () => {
    const seen = describeSoftTokens({
      placement: "prefix",
      tokens: floatTensor([2, 2, 2], Float32Array.of(3, 4, 0, 0, 1, 1, 1, 1)),
      timeTable: floatTensor([3, 4], Float32Array.of(0, 0, 0, 0, 2, 2, 2, 2, 6, 8, 0, 0)),
      metadata: { note: "x" },
    });
    assert.deepEqual(seen, {
      placement: "prefix",
      layers: 2,
      count: 2,
      width: 2,
      buckets: 3,
      timeWidth: 2,
      parameters: 20,
      nonFinite: 0,
      layerNorms: [5, 2],
      bucketNorms: [0, 4, 10],
      metadata: { note: "x" },
    });
  });

  it("counts non-finite values", () => {
    const tokens = floatTensor([1, 1, 3], Float32Array.of(Number.NaN, Number.NEGATIVE_INFINITY, 1));
    assert.equal(describeSoftTokens({ placement: "prefix", tokens, timeTable: null, metadata: {} }).nonFinite, 2);
  });
});

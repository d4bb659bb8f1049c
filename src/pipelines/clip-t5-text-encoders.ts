/**
 * @file Prompt embeds of Stable Diffusion 3: two CLIP encoders concatenated by channel, followed by the tokens of an optional
 * T5.
 */

import { floatTensor, intTensor } from "../core/tensor.js";
import type { Graph } from "../graph/graph.js";
import type { Value } from "../graph/ir.js";
import { concat, constant, input, pad, slice } from "../graph/ops.js";
import { translateKeys } from "../models/dialect.js";
import { type T5Config, t5ConfigSchema, t5Dialect, t5Encoder, t5IgnoredKeys } from "../models/t5-encoder.js";
import type { TextTokenizer } from "../models/tokenizer/index.js";
import { Weights } from "../models/weights.js";
import type { NamedTensors } from "../runtime/engine.js";
import type { WeightSource } from "../weights/source.js";
import {
  buildClip,
  type ClipPart,
  clipFeeds,
  openClipPart,
  penultimateStates,
  projectedTextEmbeds,
  truncatedPrompts,
} from "./clip-part.js";
import { openComponentWeights } from "./component-weights.js";
import { openPipelineT5, type PipelineFolder, readComponentJson } from "./folder.js";
import { defaultMaxSequenceLength, type PipelineFileOptions } from "./open-options.js";
import type { TruncatedPrompt } from "./pipeline.js";
import type { TextEncoders } from "./text-encoders.js";

interface T5Part {
  readonly tokenizer: TextTokenizer;
  readonly config: T5Config;
  readonly weights: WeightSource;
}

export class ClipT5TextEncoders implements TextEncoders {
  private constructor(
    private readonly clips: readonly [ClipPart, ClipPart],
    private readonly t5: T5Part | null,
    /** Width of the transformer's text states. */
    private readonly width: number,
  ) {}

  static async open(folder: PipelineFolder, width: number, options: PipelineFileOptions): Promise<ClipT5TextEncoders> {
    const t5 = async (): Promise<T5Part> => ({
      tokenizer: await openPipelineT5(folder, "tokenizer_3", options.maxSequenceLength ?? defaultMaxSequenceLength),
      config: await readComponentJson(folder, "text_encoder_3", "config.json", t5ConfigSchema),
      weights: translateKeys(await openComponentWeights(folder, "text_encoder_3", "model", options.variant), t5Dialect),
    });
    const clips = [await openClipPart(folder, "", options), await openClipPart(folder, "_2", options)] as const;
    return new ClipT5TextEncoders(clips, folder.components.has("text_encoder_3") ? await t5() : null, width);
  }

  get length(): number {
    return this.clips[0].tokenizer.maxLength + (this.t5?.tokenizer.maxLength ?? 1);
  }

  /**
   * Without T5, diffusers appends as many rows of zeros as CLIP has tokens; here one row, counted that many times, replaces
   * them.
   */
  get lastTokenCount(): number {
    return this.t5 === null ? this.clips[0].tokenizer.maxLength : 1;
  }

  /**
   * Returns `prompt_embeds` [N, length, width], whose last row counts `lastTokenCount` times, and `pooled` [N, sum of both
   * projections].
   */
  build(graph: Graph, batch: number): { prompt_embeds: Value; pooled: Value } {
    const encoded = this.clips.map((clip) => ({ clip, outputs: buildClip(graph, clip, batch) }));
    const penultimate = concat(
      encoded.map(({ outputs }) => penultimateStates(outputs)),
      2,
    );
    const missing = this.width - penultimate.dim(2);
    // diffusers uses torch's pad, which crops if the padding is negative.
    const fitted = missing < 0 ? slice(penultimate, 2, 0, this.width) : pad(penultimate, 2, 0, missing);
    const pooled = concat(
      encoded.map(({ clip, outputs }) => projectedTextEmbeds(outputs, clip)),
      1,
    );
    return { prompt_embeds: concat([fitted, this.buildT5(graph, batch)], 1), pooled };
  }

  feeds(prompts: readonly string[]): NamedTensors {
    const clips = { ...clipFeeds(this.clips[0], prompts), ...clipFeeds(this.clips[1], prompts) };
    const { t5 } = this;
    if (t5 === null) return clips;
    const ids = prompts.flatMap((prompt) => t5.tokenizer.encode(prompt).ids);
    return { ...clips, t5_ids: intTensor([prompts.length, t5.tokenizer.maxLength], ids) };
  }

  /** Both CLIP encoders truncate at the same token, so only the first is reported. */
  truncation(prompt: string): TruncatedPrompt[] {
    const clip = truncatedPrompts(prompt, "CLIP", this.clips[0].tokenizer);
    return this.t5 === null ? clip : [...clip, ...truncatedPrompts(prompt, "T5", this.t5.tokenizer)];
  }

  private buildT5(graph: Graph, batch: number): Value {
    if (this.t5 === null) return constant(graph, floatTensor([batch, 1, this.width]));
    const { tokenizer, config, weights } = this.t5;
    const w = Weights.of(graph, weights);
    const states = t5Encoder(w, config, input(graph, "t5_ids", [batch, tokenizer.maxLength], "int64"));
    w.requireAllUsed(...t5IgnoredKeys);
    return states;
  }
}

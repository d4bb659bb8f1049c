/** @file Stable Diffusion 3's prompt embeddings: two CLIP encoders side by side, and T5 behind them where there is one. */

import { join } from "node:path";
import { InputError } from "../core/errors.js";
import { concatRows, type FloatTensor, floatTensor, intTensor, rows } from "../core/tensor.js";
import { Graph, type Value } from "../graph/graph.js";
import { writeOnnx } from "../graph/onnx/writer.js";
import { concat, constant, input, pad, slice } from "../graph/ops.js";
import {
  type ClipTextConfig,
  type ClipTextOutputs,
  clipTextConfigSchema,
  clipTextEncoder,
  clipTextIgnoredKeys,
  eosPosition,
} from "../models/clip-text.js";
import { translateKeys } from "../models/dialect.js";
import { type T5Config, t5ConfigSchema, t5Dialect, t5Encoder, t5IgnoredKeys } from "../models/t5-encoder.js";
import { openClipTokenizer, openT5Tokenizer, type TextTokenizer } from "../models/tokenizer/index.js";
import { Weights } from "../models/weights.js";
import type { Engine, NamedTensors } from "../runtime/engine.js";
import type { WeightSource } from "../weights/source.js";
import { fixedBatches } from "./batches.js";
import { openComponentWeights } from "./component-weights.js";
import { type PipelineFolder, readComponentJson } from "./folder.js";
import type { OpenOptions } from "./open.js";
import type { BeforeRun, Conditioning, TruncatedPrompt } from "./pipeline.js";
import type { SessionCache } from "./session-cache.js";

interface ClipPart {
  readonly tokenizer: TextTokenizer;
  readonly config: ClipTextConfig;
  readonly weights: WeightSource;
}

interface T5Part {
  readonly tokenizer: TextTokenizer;
  readonly config: T5Config;
  readonly weights: WeightSource;
}

/** Prompts encoded at once. */
const promptBatch = 4;

/** diffusers' max_sequence_length. */
const defaultT5Length = 256;

export class Sd3TextEncoders {
  private constructor(
    private readonly clips: readonly [ClipPart, ClipPart],
    private readonly t5: T5Part | null,
    /** Width of the transformer's text states. */
    private readonly width: number,
  ) {}

  static async open(folder: PipelineFolder, width: number, options: OpenOptions): Promise<Sd3TextEncoders> {
    const clip = async (suffix: string): Promise<ClipPart> => ({
      tokenizer: await openClipTokenizer(join(folder.path, `tokenizer${suffix}`)),
      config: await readComponentJson(folder, `text_encoder${suffix}`, "config.json", clipTextConfigSchema),
      weights: await openComponentWeights(folder, `text_encoder${suffix}`, "model", options.variant),
    });
    const t5 = async (): Promise<T5Part> => ({
      tokenizer: await openT5Tokenizer(join(folder.path, "tokenizer_3"), options.maxSequenceLength ?? defaultT5Length),
      config: await readComponentJson(folder, "text_encoder_3", "config.json", t5ConfigSchema),
      weights: translateKeys(await openComponentWeights(folder, "text_encoder_3", "model", options.variant), t5Dialect),
    });
    const clips = [await clip(""), await clip("_2")] as const;
    return new Sd3TextEncoders(clips, folder.components.has("text_encoder_3") ? await t5() : null, width);
  }

  /** Tokens of one prompt's embeddings. Without T5, diffusers puts as many zeros as CLIP has tokens in its place. */
  get length(): number {
    const clipLength = this.clips[0].tokenizer.maxLength;
    return clipLength + (this.t5?.tokenizer.maxLength ?? clipLength);
  }

  /** `prompt_embeds` [N, length, width] and `pooled` [N, both projections]. */
  async encode(
    prompts: readonly string[],
    engine: Engine,
    sessions: SessionCache,
    beforeRun: BeforeRun = () => {},
  ): Promise<{ conditioning: Conditioning; truncated: TruncatedPrompt[] }> {
    const size = Math.min(promptBatch, prompts.length);
    const session = await sessions.get(`text:${size}`, () => engine.compile(this.write(size, engine)));
    const embeds: FloatTensor[] = [];
    const pooled: FloatTensor[] = [];
    for (const { batch, real } of fixedBatches(prompts, size)) {
      beforeRun();
      const results = await session.run(this.feeds(batch));
      embeds.push(rows(results.prompt_embeds as FloatTensor, 0, real));
      pooled.push(rows(results.pooled as FloatTensor, 0, real));
    }
    const conditioning = { prompt_embeds: concatRows(embeds), pooled: concatRows(pooled) };
    return { conditioning, truncated: prompts.flatMap((prompt) => this.truncation(prompt)) };
  }

  /** Adds the encoders to a graph, as the transformer is trained to read them. */
  build(graph: Graph, batch: number): { prompt_embeds: Value; pooled: Value } {
    const [one, two] = this.clips.map(({ tokenizer, config, weights }, index) => {
      const inputIds = input(graph, `ids_${index + 1}`, [batch, tokenizer.maxLength], "int64");
      const eosPositions = input(graph, `eos_${index + 1}`, [batch], "int64");
      const w = Weights.of(graph, weights);
      const encoded = clipTextEncoder(w, config, { inputIds, eosPositions });
      w.requireAllUsed(...clipTextIgnoredKeys);
      return encoded;
    });
    const penultimate = concat(
      [one.hiddenStates[one.hiddenStates.length - 2], two.hiddenStates[two.hiddenStates.length - 2]],
      2,
    );
    const missing = this.width - penultimate.dim(2);
    // Diffusers pads with torch, where a negative number of zeros cuts.
    const fitted = missing < 0 ? slice(penultimate, 2, 0, this.width) : pad(penultimate, 2, 0, missing);
    const pooled = concat([projected(one, this.clips[0]), projected(two, this.clips[1])], 1);
    return { prompt_embeds: concat([fitted, this.buildT5(graph, batch)], 1), pooled };
  }

  private buildT5(graph: Graph, batch: number): Value {
    if (this.t5 === null) return constant(graph, floatTensor([batch, this.clips[0].tokenizer.maxLength, this.width]));
    const { tokenizer, config, weights } = this.t5;
    const w = Weights.of(graph, weights);
    const states = t5Encoder(w, config, input(graph, "ids_3", [batch, tokenizer.maxLength], "int64"));
    w.requireAllUsed(...t5IgnoredKeys);
    return states;
  }

  private write(batch: number, engine: Engine) {
    const graph = new Graph();
    return writeOnnx(graph, this.build(graph, batch), engine.target);
  }

  private feeds(prompts: readonly string[]): NamedTensors {
    const feeds: Record<string, NamedTensors[string]> = {};
    for (const [index, { tokenizer, config }] of this.clips.entries()) {
      const ids = prompts.map((prompt) => tokenizer.encode(prompt).ids);
      feeds[`ids_${index + 1}`] = intTensor([prompts.length, tokenizer.maxLength], ids.flat());
      feeds[`eos_${index + 1}`] = intTensor(
        [prompts.length],
        ids.map((row) => eosPosition(row, config)),
      );
    }
    const { t5 } = this;
    if (t5 !== null) {
      const ids = prompts.flatMap((prompt) => t5.tokenizer.encode(prompt).ids);
      feeds.ids_3 = intTensor([prompts.length, t5.tokenizer.maxLength], ids);
    }
    return feeds;
  }

  /** What CLIP (both encoders cut alike) and T5 do not get to see. */
  private truncation(prompt: string): TruncatedPrompt[] {
    const readers = [
      { encoder: "CLIP", tokenizer: this.clips[0].tokenizer },
      ...(this.t5 ? [{ encoder: "T5", tokenizer: this.t5.tokenizer }] : []),
    ];
    return readers.flatMap(({ encoder, tokenizer }) => {
      const { truncated: cut } = tokenizer.encode(prompt);
      return cut === null ? [] : [{ prompt, encoder, limit: tokenizer.maxLength, cut }];
    });
  }
}

/** The pooled text after CLIP's projection, which Stable Diffusion 3 cannot do without. */
function projected({ textEmbeds }: ClipTextOutputs, { weights }: ClipPart): Value {
  if (textEmbeds === null)
    throw new InputError(`${weights.origin} has no text projection, which Stable Diffusion 3 reads`);
  return textEmbeds;
}

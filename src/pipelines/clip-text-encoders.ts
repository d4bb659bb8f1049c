/** @file Prompt embeds from CLIP alone: one text encoder, or two concatenated by channel. */

import type { Graph } from "../graph/graph.js";
import type { Value } from "../graph/ir.js";
import { concat } from "../graph/ops.js";
import type { NamedTensors } from "../runtime/engine.js";
import {
  buildClip,
  type ClipPart,
  clipFeeds,
  openClipPart,
  penultimateStates,
  projectedTextEmbeds,
  truncatedPrompts,
} from "./clip-part.js";
import type { PipelineFolder } from "./folder.js";
import type { PipelineFileOptions } from "./open-options.js";
import type { TextEncoders } from "./text-encoders.js";

export async function openSingleClip(folder: PipelineFolder, options: PipelineFileOptions): Promise<TextEncoders> {
  return new SingleClip(await openClipPart(folder, "", options));
}

export async function openTwoClips(folder: PipelineFolder, options: PipelineFileOptions): Promise<TextEncoders> {
  return new TwoClips(await openClipPart(folder, "", options), await openClipPart(folder, "_2", options));
}

/** The last hidden states of one encoder. */
class SingleClip implements TextEncoders {
  constructor(private readonly clip: ClipPart) {}

  get length(): number {
    return this.clip.tokenizer.maxLength;
  }

  build(graph: Graph, batch: number): { prompt_embeds: Value } {
    return { prompt_embeds: buildClip(graph, this.clip, batch).lastHiddenState };
  }

  feeds(prompts: readonly string[]): NamedTensors {
    return clipFeeds(this.clip, prompts);
  }

  truncation(prompt: string) {
    return truncatedPrompts(prompt, "CLIP", this.clip.tokenizer);
  }
}

/** The penultimate hidden states of both encoders, concatenated by channel, and the second encoder's pooled projection. */
class TwoClips implements TextEncoders {
  constructor(
    private readonly one: ClipPart,
    private readonly two: ClipPart,
  ) {}

  get length(): number {
    return this.one.tokenizer.maxLength;
  }

  build(graph: Graph, batch: number): { prompt_embeds: Value; pooled: Value } {
    const [one, two] = [buildClip(graph, this.one, batch), buildClip(graph, this.two, batch)];
    return {
      prompt_embeds: concat([penultimateStates(one), penultimateStates(two)], 2),
      pooled: projectedTextEmbeds(two, this.two),
    };
  }

  feeds(prompts: readonly string[]): NamedTensors {
    return { ...clipFeeds(this.one, prompts), ...clipFeeds(this.two, prompts) };
  }

  /** Both encoders truncate at the same token, so only the first is reported. */
  truncation(prompt: string) {
    return truncatedPrompts(prompt, "CLIP", this.one.tokenizer);
  }
}

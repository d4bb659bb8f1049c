/** @file A cache of prompt embeds, so that each prompt is encoded once although text encoders do not stay in memory. */

import type { Abortable } from "../core/errors.js";
import { joinConditioning, type PromptEncoder } from "./conditioning.js";
import type { EncodedPrompts } from "./pipeline.js";

export class PromptCache implements PromptEncoder {
  readonly forceZerosForEmptyPrompt: boolean;
  readonly conditioningShapes: PromptEncoder["conditioningShapes"];
  /** Least recently used first. */
  private readonly cached = new Map<string, EncodedPrompts>();
  private bytes = 0;

  /** Drops the least recently used prompts when their embeds exceed `limit` bytes. */
  constructor(
    private readonly encoder: PromptEncoder,
    private readonly limit = Number.POSITIVE_INFINITY,
  ) {
    this.forceZerosForEmptyPrompt = encoder.forceZerosForEmptyPrompt;
    this.conditioningShapes = encoder.conditioningShapes;
  }

  /** Encodes each new prompt alone. */
  async encodePrompts(prompts: readonly string[], options?: Abortable): Promise<EncodedPrompts> {
    const all: EncodedPrompts[] = [];
    for (const prompt of prompts) {
      const known = this.cached.get(prompt);
      const encoded = known ?? (await this.encoder.encodePrompts([prompt], options));
      this.store(prompt, encoded);
      all.push(encoded);
    }
    return {
      conditioning: joinConditioning(all.map(({ conditioning }) => conditioning)),
      truncated: all.flatMap(({ truncated }) => truncated),
    };
  }

  private store(prompt: string, encoded: EncodedPrompts): void {
    const known = this.cached.get(prompt);
    if (known !== undefined) {
      this.cached.delete(prompt);
      this.bytes -= bytesOf(known);
    }
    this.cached.set(prompt, encoded);
    this.bytes += bytesOf(encoded);
    for (const [oldest, dropped] of this.cached) {
      if (this.bytes <= this.limit) break;
      this.cached.delete(oldest);
      this.bytes -= bytesOf(dropped);
    }
  }
}

function bytesOf({ conditioning }: EncodedPrompts): number {
  return Object.values(conditioning).reduce((sum, { data }) => sum + data.byteLength, 0);
}

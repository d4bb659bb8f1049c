/** @file Prompt embeds that are kept, so that a prompt is encoded once although text encoders do not stay in memory. */

import type { Stoppable } from "../core/errors.js";
import { joinConditioning, type PromptEncoder } from "./conditioning.js";
import type { EncodedPrompts } from "./pipeline.js";

export class PromptCache implements PromptEncoder {
  readonly forceZerosForEmptyPrompt: boolean;
  readonly conditioningShapes: PromptEncoder["conditioningShapes"];
  /** The least recently used first. */
  private readonly kept = new Map<string, EncodedPrompts>();
  private bytes = 0;

  /** Beyond `limit` bytes of embeds, the prompts that have not been used for longest are dropped. */
  constructor(
    private readonly encoder: PromptEncoder,
    private readonly limit = Number.POSITIVE_INFINITY,
  ) {
    this.forceZerosForEmptyPrompt = encoder.forceZerosForEmptyPrompt;
    this.conditioningShapes = encoder.conditioningShapes;
  }

  /** Each prompt is encoded alone, when it is first asked for. */
  async encodePrompts(prompts: readonly string[], options?: Stoppable): Promise<EncodedPrompts> {
    const all: EncodedPrompts[] = [];
    for (const prompt of prompts) {
      const known = this.kept.get(prompt);
      const encoded = known ?? (await this.encoder.encodePrompts([prompt], options));
      this.keep(prompt, encoded);
      all.push(encoded);
    }
    return {
      conditioning: joinConditioning(all.map(({ conditioning }) => conditioning)),
      truncated: all.flatMap(({ truncated }) => truncated),
    };
  }

  private keep(prompt: string, encoded: EncodedPrompts): void {
    const known = this.kept.get(prompt);
    if (known !== undefined) {
      this.kept.delete(prompt);
      this.bytes -= bytesOf(known);
    }
    this.kept.set(prompt, encoded);
    this.bytes += bytesOf(encoded);
    for (const [oldest, dropped] of this.kept) {
      if (this.bytes <= this.limit) break;
      this.kept.delete(oldest);
      this.bytes -= bytesOf(dropped);
    }
  }
}

function bytesOf({ conditioning }: EncodedPrompts): number {
  return Object.values(conditioning).reduce((sum, { data }) => sum + data.byteLength, 0);
}

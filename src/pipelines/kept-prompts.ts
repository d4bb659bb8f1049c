/** @file Prompts that are encoded once and kept, for pictures that are drawn again and again while text encoders are not in memory. */

import type { Stoppable } from "../core/errors.js";
import { joinConditioning, type PromptEncoder } from "./conditioning.js";
import type { EncodedPrompts } from "./pipeline.js";

export class KeptPrompts implements PromptEncoder {
  readonly zeroEmptyNegative: boolean;
  readonly conditioningShapes: PromptEncoder["conditioningShapes"];
  private readonly kept = new Map<string, EncodedPrompts>();

  constructor(private readonly encoder: PromptEncoder) {
    this.zeroEmptyNegative = encoder.zeroEmptyNegative;
    this.conditioningShapes = encoder.conditioningShapes;
  }

  /** Each prompt is encoded alone, when it is first asked for. */
  async encodePrompts(prompts: readonly string[], options?: Stoppable): Promise<EncodedPrompts> {
    const all: EncodedPrompts[] = [];
    for (const prompt of prompts) {
      const encoded = this.kept.get(prompt) ?? (await this.encoder.encodePrompts([prompt], options));
      this.kept.set(prompt, encoded);
      all.push(encoded);
    }
    return {
      conditioning: joinConditioning(all.map(({ conditioning }) => conditioning)),
      truncated: all.flatMap(({ truncated }) => truncated),
    };
  }
}

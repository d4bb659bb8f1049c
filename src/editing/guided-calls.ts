/** @file Denoiser calls with classifier-free guidance (arXiv 2207.12598), all calls of one step in one batch. */

import { throwIfAborted } from "../core/errors.js";
import { at } from "../core/lists.js";
import { concatRows, type FloatTensor, floatTensor, rows, type Shape } from "../core/tensor.js";
import { joinConditioning } from "../pipelines/conditioning.js";
import type { Conditioning } from "../pipelines/pipeline.js";
import type { Injection, Switches } from "../sampling/injection.js";
import type { Sampler } from "../sampling/sample.js";
import type { SamplerRequest, SamplingCache } from "../sampling/sampling-cache.js";

/** One sample and the prompt that it is denoised with. */
export interface Call {
  /** Scaled for the model, [1, channels, h, w]. */
  readonly sample: FloatTensor;
  readonly prompt: Conditioning;
  /** Guidance scale (default 1); at 1 or below there is no row for the negative prompt. */
  readonly guidance?: number;
}

/** An injection with the switches of this step. */
export interface Injected {
  readonly injection: Injection;
  readonly switches: Switches;
}

/**
 * Returns one guided model output per call. The rows of the batch follow the calls: for a guided call its negative prompt, then its
 * prompt.
 */
export type Denoise = <const C extends readonly Call[]>(
  calls: C,
  timestep: number,
  injected?: Injected,
) => Promise<{ readonly [K in keyof C]: FloatTensor }>;

export interface GuidedCallsOptions extends Omit<SamplerRequest, "images" | "guided" | "latentShape" | "injection"> {
  /** [channels, h, w]. */
  readonly latentShape: Shape;
  /** Encodes the negative prompt; called once, if a call is guided. */
  readonly encodeNegative: () => Promise<Conditioning>;
  readonly signal?: AbortSignal | undefined;
  /** Called after each denoiser run. */
  readonly onRun?: () => void;
}

/** The denoisers of one edit: one compiled graph per number of rows, leased until `release`. */
export class GuidedCalls {
  private readonly leases = new Map<string, ReturnType<SamplingCache["lease"]>>();
  private negative: Conditioning | undefined;
  private lastJoined: { readonly parts: readonly Conditioning[]; readonly joined: Conditioning } | undefined;

  constructor(
    private readonly cache: SamplingCache,
    private readonly options: GuidedCallsOptions,
  ) {}

  readonly denoise: Denoise = async <const C extends readonly Call[]>(
    calls: C,
    timestep: number,
    injected?: Injected,
  ) => {
    const { signal, onRun, encodeNegative } = this.options;
    throwIfAborted(signal);
    const prompts: (readonly Conditioning[])[] = [];
    for (const { prompt, guidance = 1 } of calls) {
      if (guidance > 1) this.negative ??= await encodeNegative();
      prompts.push(guidance > 1 && this.negative ? [this.negative, prompt] : [prompt]);
    }
    const samples = calls.flatMap(({ sample }, index) => at(prompts, index).map(() => sample));
    const sampler = await this.samplerOf(samples.length, injected?.injection);
    const conditioning = this.joined(prompts.flat());
    const predict = sampler.predictor({ conditioning, negative: null, guidanceScale: 1 });
    const outputs = await predict(concatRows(samples), timestep, injected?.switches);
    onRun?.();
    let row = 0;
    const guided = calls.map(({ guidance = 1 }) => {
      const output = rows(outputs, row, row + 1);
      if (guidance <= 1) {
        row += 1;
        return output;
      }
      row += 2;
      return guide(output, rows(outputs, row - 1, row), guidance);
    });
    return guided as { readonly [K in keyof C]: FloatTensor };
  };

  async release(): Promise<void> {
    const leases = [...this.leases.values()];
    this.leases.clear();
    for (const lease of leases) await (await lease).release();
  }

  /** Joins the prompts of a batch; most steps have the prompts of the step before, whose copy is reused. */
  private joined(parts: readonly Conditioning[]): Conditioning {
    const last = this.lastJoined;
    if (last?.parts.length === parts.length && parts.every((part, i) => part === last.parts[i])) return last.joined;
    const joined = joinConditioning(parts);
    this.lastJoined = { parts, joined };
    return joined;
  }

  private async samplerOf(images: number, injection: Injection | undefined): Promise<Sampler> {
    const key = `${images} ${injection?.name ?? ""}`;
    const { softTokens, strength, latentShape, repackWeights } = this.options;
    const request = { images, latentShape, guided: false, repackWeights, injection, softTokens, strength };
    const known = this.leases.get(key) ?? this.cache.lease(request);
    this.leases.set(key, known);
    try {
      return (await known).sampler;
    } catch (error) {
      this.leases.delete(key);
      throw error;
    }
  }
}

/** negative + scale (positive - negative), with the float32 rounding of the guided denoiser's graph. */
function guide(negative: FloatTensor, positive: FloatTensor, scale: number): FloatTensor {
  const s = Math.fround(scale);
  const guided = negative.data.map((away, i) => away + Math.fround(s * Math.fround(at(positive.data, i) - away)));
  return floatTensor(negative.shape, guided);
}

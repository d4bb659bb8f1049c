/**
 * @file Plug-and-Play (Tumanyan et al. 2022, arXiv 2211.12572; MichalGeyer/pnp-diffusers): the inverted source is denoised in
 * the same batch as the target, which takes its features and self-attention maps and so keeps its layout.
 */

import { z } from "zod";
import { integer } from "../core/option-values.js";
import type { FloatTensor } from "../core/tensor.js";
import { type Injection, takeRows } from "../sampling/injection.js";
import { ddimInversion, requireTimesteps } from "./ddim-inversion.js";
import { keepOutside } from "./keep-outside.js";
import type { EditContext, MethodSpec } from "./method.js";
import { described, guidanceOption, inversionPromptOption, shareOption, stepsOption } from "./options.js";

const options = z.strictObject({
  steps: stepsOption(50),
  inversionSteps: described(
    integer(1, 1000),
    "inversion steps; their timesteps must include the sampling timesteps (999)",
  ),
  inversionPrompt: inversionPromptOption("empty"),
  features: shareOption("share of the steps, from the first, that inject features", 0.8),
  attention: shareOption("share of the steps, from the first, that inject self-attention", 0.5),
  guidance: guidanceOption(7.5),
});
export type PlugAndPlayOptions = z.input<typeof options>;

interface Settings {
  readonly steps: number;
  readonly inversionSteps: number;
  readonly inversionPrompt: string;
  readonly features: number;
  readonly attention: number;
  readonly guidance: number;
}

export const plugAndPlaySpec: MethodSpec<typeof options.shape> = {
  name: "pnp",
  summary: "keeps the layout: injects features and self-attention of the inverted image (Plug-and-Play)",
  families: ["sd15"],
  sourcePrompt: "unused",
  negativePrompt: true,
  mask: "optional",
  posterior: "mean",
  options,
  prepare(given, { scheduler }) {
    const { steps = 50, inversionSteps = 999, inversionPrompt = "" } = given;
    const { features = 0.8, attention = 0.5, guidance = 7.5 } = given;
    requireTimesteps(scheduler, steps, inversionSteps);
    const settings = { steps, inversionSteps, inversionPrompt, features, attention, guidance };
    return {
      settings,
      stepsRun: steps,
      denoiserRuns: inversionSteps + steps,
      run: (context) => run(context, settings),
    };
  },
};

/** All rows take row 0's residual in one block, and its queries and keys in the decoder's self-attentions. */
const fromFirstRow: Injection = {
  name: "plug-and-play",
  switches: ["features", "attention"],
  taps: (on) => [
    {
      at: "up_blocks.1.resnets.1.out",
      replace: (value) =>
        takeRows(
          value,
          Array.from({ length: value.dim(0) }, () => 0),
          on("features"),
        ),
    },
    {
      at: /^up_blocks\.(1\.attentions\.[12]|[23]\.attentions\.[012])\.transformer_blocks\.0\.attn1\.[qk]$/,
      replace: (value) =>
        takeRows(
          value,
          Array.from({ length: value.dim(0) }, () => 0),
          on("attention"),
        ),
    },
  ],
};

async function run(context: EditContext, settings: Settings): Promise<FloatTensor> {
  const { scheduler, source, mask, prompts, encode, denoise, drawNoise, onSample } = context;
  const { steps, inversionSteps, inversionPrompt, features, attention, guidance } = settings;
  const inversion = await ddimInversion(context, { steps: inversionSteps, prompt: await encode(inversionPrompt) });
  const [none, target] = [await encode(""), await encode(prompts.target)];
  const sampling = scheduler.start(steps);
  const [featureSteps, attentionSteps] = [Math.trunc(steps * features), Math.trunc(steps * attention)];
  const kept = [...sampling.timesteps.map((t) => inversion.at(t)), source];
  let state = sampling.begin(kept[0] ?? source);
  onSample(state.sample);
  for (const [i, t] of sampling.timesteps.entries()) {
    const [, output] = await denoise(
      [
        { sample: inversion.at(t), prompt: none },
        { sample: state.sample, prompt: target, guidance },
      ],
      t,
      { injection: fromFirstRow, switches: { features: i < featureSteps, attention: i < attentionSteps } },
    );
    const next = sampling.step(state, output, drawNoise);
    state = { ...next, sample: keepOutside(mask, kept[i + 1] ?? source, next.sample) };
    onSample(state.sample);
  }
  return state.sample;
}

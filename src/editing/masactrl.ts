/**
 * @file MasaCtrl (Cao et al. 2023, arXiv 2304.08465; TencentARC/MasaCtrl): the target's self-attentions use the
 * keys and values of the source, so that the source's objects appear in a new layout.
 */

import { z } from "zod";
import { at } from "../core/lists.js";
import { integer } from "../core/option-values.js";
import { concatRows, type FloatTensor, rows } from "../core/tensor.js";
import { type Injection, takeRows } from "../sampling/injection.js";
import { ddimInversion } from "./ddim-inversion.js";
import { keepOutside } from "./keep-outside.js";
import type { EditContext, MethodSpec } from "./method.js";
import { described, guidanceOption, inversionPromptOption, stepsOption } from "./options.js";

const options = z.strictObject({
  steps: stepsOption(50),
  inversionPrompt: inversionPromptOption("the source prompt"),
  fromStep: described(integer(0, 1000), "first step, from 0, that uses the source's keys and values (4)"),
  fromLayer: described(integer(0, 100), "first self-attention, from 0, that uses them (10)"),
  guidance: guidanceOption(7.5),
  referenceLatents: described(
    z.boolean("must be true or false"),
    "reset the source to its inversion before each step (true)",
  ),
});
export type MasaCtrlOptions = z.input<typeof options>;

interface Settings {
  readonly steps: number;
  readonly inversionPrompt: string | undefined;
  readonly fromStep: number;
  readonly fromLayer: number;
  readonly guidance: number;
  readonly referenceLatents: boolean;
}

export const masaCtrlSpec: MethodSpec<typeof options.shape> = {
  name: "masactrl",
  summary: "keeps the objects in a new layout: uses keys and values of the source (MasaCtrl)",
  families: ["sd15"],
  sourcePrompt: "optional",
  negativePrompt: true,
  mask: "optional",
  posterior: "mean",
  options,
  prepare(given) {
    const {
      steps = 50,
      inversionPrompt,
      fromStep = 4,
      fromLayer = 10,
      guidance = 7.5,
      referenceLatents = true,
    } = given;
    const settings = { steps, fromStep, fromLayer, guidance, referenceLatents };
    return {
      settings: { ...settings, ...(inversionPrompt !== undefined && { inversionPrompt }) },
      stepsRun: steps,
      denoiserRuns: 2 * steps,
      run: (context) => run(context, { ...settings, inversionPrompt }),
    };
  },
};

/** The second half of the rows (target) takes keys and values of the first half (source). */
function keysAndValues(fromLayer: number): Injection {
  return {
    name: `masactrl from layer ${fromLayer}`,
    switches: ["attention"],
    taps(on) {
      // Self-attentions are numbered in the order in which they run.
      const layers: string[] = [];
      return [
        {
          at: /\.attn1\.[kv]$/,
          replace(value, name) {
            const layer = name.slice(0, -2);
            if (!layers.includes(layer)) layers.push(layer);
            if (layers.indexOf(layer) < fromLayer) return value;
            const half = value.dim(0) / 2;
            const donors = Array.from({ length: 2 * half }, (_, row) => row % half);
            return takeRows(value, donors, on("attention"));
          },
        },
      ];
    },
  };
}

async function run(context: EditContext, settings: Settings): Promise<FloatTensor> {
  const { scheduler, mask, prompts, encode, denoise, drawNoise, onSample } = context;
  const { steps, inversionPrompt = prompts.source, fromStep, fromLayer, guidance, referenceLatents } = settings;
  const inversion = await ddimInversion(context, { steps, prompt: await encode(inversionPrompt) });
  const [source, target] = [await encode(prompts.source), await encode(prompts.target)];
  const injection = keysAndValues(fromLayer);
  const sampling = scheduler.start(steps);
  // In the order of sampling: the inverted latents at each of its timesteps, then the clean latents.
  const stored = inversion.latents.toReversed();
  const noise = at(stored, 0);
  let state = sampling.begin(concatRows([noise, noise]));
  onSample(state.sample);
  for (const [i, t] of sampling.timesteps.entries()) {
    const xs = referenceLatents ? at(stored, i) : rows(state.sample, 0, 1);
    const xt = rows(state.sample, 1, 2);
    const outputs = await denoise(
      [
        { sample: xs, prompt: source, guidance },
        { sample: xt, prompt: target, guidance },
      ],
      t,
      { injection, switches: { attention: i >= fromStep } },
    );
    const next = sampling.step({ ...state, sample: concatRows([xs, xt]) }, concatRows(outputs), drawNoise);
    const changed = keepOutside(mask, at(stored, i + 1), rows(next.sample, 1, 2));
    state = { ...next, sample: concatRows([rows(next.sample, 0, 1), changed]) };
    onSample(state.sample);
  }
  return rows(state.sample, 1, 2);
}

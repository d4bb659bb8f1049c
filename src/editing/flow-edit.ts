/**
 * @file FlowEdit (Kulikov et al. 2024, arXiv 2412.08629, algorithm 1): integrates the difference of the
 * target's and the source's velocity from the source to the edited image, without inversion. Noise-prediction models use DDIM's ODE.
 */

import { z } from "zod";
import { UsageError } from "../core/errors.js";
import { at } from "../core/lists.js";
import { choice, integer } from "../core/option-values.js";
import type { FloatTensor } from "../core/tensor.js";
import { runSteps } from "../sampling/run-steps.js";
import { weightedSum } from "../schedulers/index.js";
import { editOde } from "./edit-ode.js";
import { keepOutside } from "./keep-outside.js";
import type { EditContext, MethodSpec } from "./method.js";
import { described, guidanceOption, lastSteps, lastStepsOption, stepsOption } from "./options.js";
import { type FlowEditPreset, flowEditPresetNames, flowEditPresets } from "./presets.js";

const options = z.strictObject({
  steps: stepsOption(50),
  nMax: lastStepsOption("33 of 50; 30 with soft tokens"),
  nMin: described(integer(0, 999), "how many of the last steps sample with the target prompt alone (0)"),
  averages: described(integer(1, 100), "noise samples averaged per step (1)"),
  sourceGuidance: guidanceOption(3.5),
  targetGuidance: guidanceOption("13.5; 9 with soft tokens"),
  preset: described(choice(flowEditPresetNames), "published settings; other options override them (softrepa)"),
});
export type FlowEditOptions = z.input<typeof options>;

export const flowEditSpec: MethodSpec<typeof options.shape> = {
  name: "flowedit",
  summary:
    "follows the difference between the velocities of the source and target prompts, without inversion (FlowEdit)",
  families: null,
  sourcePrompt: "required",
  negativePrompt: true,
  mask: "optional",
  posterior: "mean",
  options,
  prepare({ preset = "softrepa", nMax: last, ...given }, { softTokens }) {
    const published = flowEditPresets[preset][softTokens ? "tokens" : "base"];
    const { steps = published.steps } = given;
    const nMax = lastSteps(last ?? published.nMax / published.steps, steps);
    const settings = { ...published, ...definedOf(given), steps, nMax };
    const { nMin, averages } = settings;
    if (nMin >= nMax) throw new UsageError(`\`nMin\` ${nMin} must be below \`nMax\`, which is ${nMax}`);
    return {
      settings: { ...settings },
      stepsRun: nMax,
      denoiserRuns: (nMax - nMin) * averages + nMin,
      run: (context) => run(context, settings),
    };
  },
};

async function run(context: EditContext, settings: FlowEditPreset): Promise<FloatTensor> {
  const { scheduler, source: x, mask, prompts, encode, denoise, drawNoise, onSample } = context;
  const { steps: N, nMax, nMin, averages, sourceGuidance, targetGuidance } = settings;
  const source = { prompt: await encode(prompts.source), guidance: sourceGuidance };
  const target = { prompt: await encode(prompts.target), guidance: targetGuidance };
  const ode = editOde(scheduler);
  const { timesteps, levels } = scheduler.start(N, { from: N - nMax });
  let z = x;
  onSample(z);
  for (const [i, t] of timesteps.slice(0, nMax - nMin).entries()) {
    const [level, next] = [at(levels, i), at(levels, i + 1)];
    let D: FloatTensor | undefined;
    for (let k = 0; k < averages; k++) {
      const { zs, zt } = ode.noised(level, x, z, drawNoise());
      const [vs, vt] = await denoise(
        [
          { ...source, sample: zs },
          { ...target, sample: zt },
        ],
        t,
      );
      const difference = weightedSum(
        [1 / averages, ode.velocity(level, zt, vt)],
        [-1 / averages, ode.velocity(level, zs, vs)],
      );
      D = D === undefined ? difference : weightedSum([1, D], [1, difference]);
    }
    if (D === undefined) throw new RangeError("no noise samples to average");
    z = keepOutside(mask, x, weightedSum([1, z], [next.sigma - level.sigma, D]));
    onSample(z);
  }
  if (nMin === 0) return z;
  const closing = scheduler.start(N, { from: N - nMin });
  const noise = drawNoise();
  const y = ode.noised(at(closing.levels, 0), x, z, noise).zt;
  const { sample } = await runSteps(closing, closing.begin(y), {
    predict: async (sample, timestep) => (await denoise([{ ...target, sample }], timestep))[0],
    drawNoise,
    afterStep(state) {
      const kept = state.index < nMin ? closing.addNoise(x, noise, state.index) : x;
      const sample = keepOutside(mask, kept, state.sample);
      onSample(sample);
      return { ...state, sample };
    },
  });
  return sample;
}

/** Drops the keys whose value is undefined. */
function definedOf<T extends object>(given: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

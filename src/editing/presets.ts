/** @file Published settings of FlowEdit, with and without soft tokens. */

/** FlowEdit options that a preset sets. */
export interface FlowEditPreset {
  readonly steps: number;
  readonly nMax: number;
  readonly nMin: number;
  readonly averages: number;
  readonly sourceGuidance: number;
  readonly targetGuidance: number;
}

/** FlowEdit's defaults for Stable Diffusion 3 (arXiv 2412.08629, appendix; FlowEdit's SD3_exp.yaml). */
const flowedit: FlowEditPreset = {
  steps: 50,
  nMax: 33,
  nMin: 0,
  averages: 1,
  sourceGuidance: 3.5,
  targetGuidance: 13.5,
};

/** SoftREPA's defaults with its tokens (arXiv 2503.08250; edit_sd3.py). */
const softrepa: FlowEditPreset = { ...flowedit, nMax: 30, targetGuidance: 9 };

/** By name: without soft tokens, and with them. */
export const flowEditPresets = {
  flowedit: { base: flowedit, tokens: flowedit },
  softrepa: { base: flowedit, tokens: softrepa },
  // edit_sd3.py of the SoftREPA authors computes v + s (v - v0) for the target, which is guidance s + 1.
  "softrepa-as-run": { base: { ...flowedit, targetGuidance: 14.5 }, tokens: { ...softrepa, targetGuidance: 10 } },
} as const satisfies Readonly<Record<string, { readonly base: FlowEditPreset; readonly tokens: FlowEditPreset }>>;

export type FlowEditPresetName = keyof typeof flowEditPresets;
export const flowEditPresetNames = [
  "flowedit",
  "softrepa",
  "softrepa-as-run",
] as const satisfies readonly FlowEditPresetName[];

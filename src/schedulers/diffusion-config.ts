/**
 * @file scheduler_config.json of models that predict noise or v: the noise schedule of training and the settings of sampling. All of
 * diffusers' schedulers for Stable Diffusion read the same keys, so each can be created from the file of another.
 */

import { z } from "zod";
import { InputError } from "../core/errors.js";

/** Schedulers of diffusers that define a noise schedule by betas. */
const classNames = [
  "DDIMScheduler",
  "DDPMScheduler",
  "DEISMultistepScheduler",
  "DPMSolverMultistepScheduler",
  "DPMSolverSDEScheduler",
  "DPMSolverSinglestepScheduler",
  "EulerAncestralDiscreteScheduler",
  "EulerDiscreteScheduler",
  "HeunDiscreteScheduler",
  "KDPM2AncestralDiscreteScheduler",
  "KDPM2DiscreteScheduler",
  "LCMScheduler",
  "LMSDiscreteScheduler",
  "PNDMScheduler",
  "TCDScheduler",
  "UniPCMultistepScheduler",
] as const;

const unsupported = { error: "not supported" };
const off = z.literal(false, unsupported).nullish();

const configSchema = z.object({
  _class_name: z.enum(classNames, { error: `not supported here, only ${classNames.join(", ")}` }),
  num_train_timesteps: z.int().min(1).default(1000),
  beta_start: z.number().positive().default(0.0001),
  beta_end: z.number().positive().default(0.02),
  beta_schedule: z.enum(["linear", "scaled_linear", "squaredcos_cap_v2"], unsupported).default("linear"),
  trained_betas: z.array(z.number().min(0).max(1)).nullish(),
  rescale_betas_zero_snr: z.boolean().nullish(),
  prediction_type: z.enum(["epsilon", "v_prediction"], unsupported).default("epsilon"),
  timestep_spacing: z.enum(["leading", "trailing", "linspace"], unsupported).nullish(),
  steps_offset: z.int().nonnegative().default(0),
  /** DDIM and PNDM: whether the last step ends at zero noise instead of at the level of timestep 0. */
  set_alpha_to_one: z.boolean().nullish(),
  /** DDIM: whether estimates of x_0 are clipped to a range. */
  clip_sample: z.boolean().nullish(),
  clip_sample_range: z.number().positive().default(1),
  thresholding: off,
  /** PNDM: whether to skip the Runge-Kutta steps at the beginning. */
  skip_prk_steps: z.boolean().nullish(),
  use_karras_sigmas: z.boolean().nullish(),
  use_exponential_sigmas: off,
  use_beta_sigmas: off,
  use_lu_lambdas: off,
  use_flow_sigmas: off,
  final_sigmas_type: z.enum(["zero", "sigma_min"], unsupported).default("zero"),
  interpolation_type: z.literal("linear", unsupported).default("linear"),
  timestep_type: z.literal("discrete", unsupported).default("discrete"),
  sigma_min: z.number().positive().nullish(),
  sigma_max: z.number().positive().nullish(),
  /** Method of DPM-Solver. */
  algorithm_type: z.string().default("dpmsolver++"),
  solver_order: z.int().default(2),
  solver_type: z.string().default("midpoint"),
  lambda_min_clipped: z.number().nullish(),
  lower_order_final: z.boolean().default(true),
  euler_at_final: z.boolean().default(false),
});
export type DiffusionConfig = z.infer<typeof configSchema>;

/**
 * Parses the content of scheduler_config.json.
 *
 * @param file is named in messages
 * @throws InputError if a key is missing or not supported
 */
export function parseDiffusionConfig(config: unknown, file = "scheduler_config.json"): DiffusionConfig {
  const parsed = configSchema.safeParse(config);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new InputError([file, ...(issue?.path ?? []), issue?.message].join(": "));
}

/**
 * The value of a setting or its default: for a file of the class `owner`, the default of that class in diffusers; for other classes,
 * the value in the files of Stable Diffusion.
 */
export function booleanSetting(
  { _class_name }: DiffusionConfig,
  value: boolean | null | undefined,
  owner: DiffusionConfig["_class_name"],
  defaults: { readonly owner: boolean; readonly others: boolean },
): boolean {
  return value ?? (_class_name === owner ? defaults.owner : defaults.others);
}

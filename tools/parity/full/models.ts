/** @file The models of the full-size goldens: only the denoiser, with the configuration stored with the golden. */

import { z } from "zod";
import type { Shape } from "#softrepa/core/tensor.js";
import {
  denoiserConfigSchema,
  type SyntheticDenoiser,
  syntheticDenoiser,
} from "#softrepa/testing/synthetic/denoiser.js";

/** The format of `<model>.json`. */
export const fullModelSchema = z.object({
  config: denoiserConfigSchema,
  /** Shapes of the soft tokens and of their time table. */
  tokens: z.array(z.int().positive()),
  t_tokens: z.array(z.int().positive()),
});

/** A model as the goldens' README defines it: sizes of inputs, and `dweight` of the objective. */
export interface FullModel extends SyntheticDenoiser {
  /** [channels, h, w]. */
  readonly latentShape: Shape;
  readonly dweight: number;
}

export function fullModel({ config }: z.infer<typeof fullModelSchema>): FullModel {
  switch (config._class_name) {
    case "UNet2DConditionModel": {
      const denoiser = syntheticDenoiser(config, { textLength: 77, stages: ["down", "mid"] });
      return { ...denoiser, latentShape: [denoiser.latentChannels, 16, 16], dweight: 10 };
    }
    case "SD3Transformer2DModel": {
      const denoiser = syntheticDenoiser(config, { textLength: 96, stages: [] });
      return { ...denoiser, latentShape: [denoiser.latentChannels, 32, 32], dweight: 0 };
    }
  }
}

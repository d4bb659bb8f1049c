/** @file `open`: opens a model. */

import { type OpenPipelineOptions, openPipeline } from "../families/open.js";
import { type EngineRequest, openEngine } from "../runtime/open-engine.js";
import { Model } from "./model.js";

/** Options for the files of the model and for the engine. Omitted options have the defaults of the command line. */
export interface OpenOptions extends OpenPipelineOptions, EngineRequest {}

/**
 * Opens a diffusers pipeline folder, or a single file in the original layout (.safetensors, .ckpt). All tensors are checked;
 * weights are memory-mapped, not read.
 *
 * ```ts
 * await using model = await open("path/to/pipeline");
 * const [image] = await model.generate("two cats", { seed: 7 });
 * await image.save("cats.png");
 * ```
 *
 * @throws InputError if files are missing, damaged or inconsistent; RuntimeFailure if the requested engine does not work on this
 *   machine
 */
export async function open(path: string, options: OpenOptions = {}): Promise<Model> {
  const { engine: library, provider, precision, threads, ...files } = options;
  const request = {
    ...(library && { engine: library }),
    ...(provider && { provider }),
    ...(precision && { precision }),
    ...(threads && { threads }),
  };
  const { engine } = await openEngine(request);
  try {
    return new Model(path, await openPipeline(path, engine, files), files);
  } catch (error) {
    await engine.close();
    throw error;
  }
}

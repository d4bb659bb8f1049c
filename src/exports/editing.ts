/**
 * @file `softrepa/editing`: methods of image editing for `Model.edit`, and what they are made of.
 *
 * ```ts
 * import { open } from "softrepa";
 * import { flowEdit } from "softrepa/editing";
 *
 * await using model = await open("path/to/stable-diffusion-3");
 * const method = flowEdit({ nMax: 33, targetGuidance: 9 });
 * const edited = await model.edit("cat.png", { source: "a cat on a bench", target: "a dog on a bench", method });
 * ```
 */

export { ddimInversion, type Inversion } from "../editing/ddim-inversion.js";
export { type ContextRequest, withContext } from "../editing/edit-context.js";
export { editImage } from "../editing/edit-image.js";
export type { EditRequest } from "../editing/edit-request.js";
export type { FlowAlignOptions } from "../editing/flow-align.js";
export type { FlowEditOptions } from "../editing/flow-edit.js";
export type { Call, Denoise, Injected } from "../editing/guided-calls.js";
export {
  type EditMethodName,
  editMethod,
  editMethodNames,
  editMethods,
  flowAlign,
  flowEdit,
  inpaint,
  masaCtrl,
  plugAndPlay,
  sdEdit,
} from "../editing/index.js";
export type { InpaintOptions } from "../editing/inpaint.js";
export type { MasaCtrlOptions } from "../editing/masactrl.js";
export {
  type EditContext,
  type EditedModel,
  type EditMethod,
  type MethodEntry,
  type MethodFacts,
  type MethodSpec,
  methodEntry,
  type PreparedEdit,
} from "../editing/method.js";
export type { PlugAndPlayOptions } from "../editing/plug-and-play.js";
export { type FlowEditPreset, type FlowEditPresetName, flowEditPresets } from "../editing/presets.js";
export type { SdEditOptions } from "../editing/sdedit.js";
export { type Resize, resizeNames } from "../editing/sizes.js";
export type { ImageRequest } from "../editing/source-image.js";
export { type Injection, type Switches, takeRows } from "../sampling/injection.js";
export { SamplingCache } from "../sampling/sampling-cache.js";

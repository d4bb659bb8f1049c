/** @file The editing methods, one line each. */

import { UsageError } from "../core/errors.js";
import { type FlowAlignOptions, flowAlignSpec } from "./flow-align.js";
import { type FlowEditOptions, flowEditSpec } from "./flow-edit.js";
import { type InpaintOptions, inpaintSpec } from "./inpaint.js";
import { type MasaCtrlOptions, masaCtrlSpec } from "./masactrl.js";
import { type EditMethod, type MethodEntry, methodEntry } from "./method.js";
import { type PlugAndPlayOptions, plugAndPlaySpec } from "./plug-and-play.js";
import { type SdEditOptions, sdEditSpec } from "./sdedit.js";

export const editMethods = {
  flowedit: methodEntry(flowEditSpec),
  flowalign: methodEntry(flowAlignSpec),
  sdedit: methodEntry(sdEditSpec),
  inpaint: methodEntry(inpaintSpec),
  pnp: methodEntry(plugAndPlaySpec),
  masactrl: methodEntry(masaCtrlSpec),
} as const satisfies Readonly<Record<string, MethodEntry>>;

export type EditMethodName = keyof typeof editMethods;
export const editMethodNames = Object.keys(editMethods) as readonly EditMethodName[];

export const flowEdit = (options: FlowEditOptions = {}): EditMethod => editMethod("flowedit", options);
export const flowAlign = (options: FlowAlignOptions = {}): EditMethod => editMethod("flowalign", options);
export const sdEdit = (options: SdEditOptions = {}): EditMethod => editMethod("sdedit", options);
export const inpaint = (options: InpaintOptions = {}): EditMethod => editMethod("inpaint", options);
export const plugAndPlay = (options: PlugAndPlayOptions = {}): EditMethod => editMethod("pnp", options);
export const masaCtrl = (options: MasaCtrlOptions = {}): EditMethod => editMethod("masactrl", options);

/**
 * A method by name, with options from any source; undefined ones count as absent.
 *
 * @throws UsageError for an option that the method does not use (naming the methods that do) or a value out of range
 */
export function editMethod(name: string, options: Readonly<Record<string, unknown>> = {}): EditMethod {
  const known = editMethodNames.find((one) => one === name);
  if (known === undefined) throw new UsageError(`\`method\` must be one of ${editMethodNames.join(", ")}, not ${name}`);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  for (const option of Object.keys(given)) requireUse(name, option, ({ options: its }) => option in its);
  return editMethods[known].configure(given);
}

/** Rejects `option` for a method that does not use it, and names the methods that do. */
export function requireUse(name: string, option: string, used: (method: MethodEntry) => boolean): void {
  const users = editMethodNames.filter((one) => used(editMethods[one]));
  if (users.some((one) => one === name)) return;
  if (users.length === 0) throw new UsageError(`no editing method has an option \`${option}\``);
  throw new UsageError(`${name} does not use \`${option}\`; these methods do: ${users.join(", ")}`);
}

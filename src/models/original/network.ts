/**
 * @file Networks inside checkpoints of the original layout (Stability AI's repositories and compatible ones), whose
 * configuration is read from the shapes, since the files have none.
 */

import { InputError } from "../../core/errors.js";
import { hasLength, type Tuple } from "../../core/lists.js";
import { shapeOf, type WeightSource } from "../../weights/source.js";

/** A network with the key names of diffusers or transformers, and the content of its config.json. */
export interface OriginalNetwork {
  readonly config: Readonly<Record<string, unknown>>;
  readonly weights: WeightSource;
}

/**
 * Leftovers of training that no network uses: noise schedules, EMA weights, CLIP's temperature, the discriminator of the
 * autoencoder, a projection that Stable Diffusion 1.5 and SDXL's first encoder do not use.
 */
const unusedKeys: readonly RegExp[] = [
  /^(?:betas|logvar|lvlb_weights|scale_factor)$/,
  /^(?:sqrt_|log_)?(?:one_minus_|recip_|recipm1_)?alphas_cumprod(?:_prev)?$/,
  /^posterior_(?:variance|log_variance_clipped|mean_coef[12])$/,
  /^denoiser\.(?:log_)?sigmas$/,
  /^(?:first_stage_model\.)?model_ema\./,
  /^first_stage_model\.loss\./,
  /^(?:cond_stage_model|conditioner\.embedders\.0)\.text_projection$/,
  /(?:^|\.)logit_scale$/,
];

/** Removes the tensors that no network uses. */
export function withoutUnusedKeys(source: WeightSource): WeightSource {
  const tensors = [...source.tensors].filter(([name]) => !unusedKeys.some((pattern) => pattern.test(name)));
  return { ...source, tensors: new Map(tensors) };
}

/** The tensors whose names start with `prefix`, without it; `title` is added to the origin. */
export function subtree(source: WeightSource, prefix: string, title: string): WeightSource {
  const tensors = [...source.tensors].flatMap(([name, stored]) =>
    name.startsWith(prefix) ? [[name.slice(prefix.length), stored] as const] : [],
  );
  return { origin: `${source.origin} (${title})`, tensors: new Map(tensors), metadata: source.metadata };
}

/** More dots than any network's keys have; malicious keys may have millions. */
const maxDepth = 16;

/** All prefixes of keys that end in a dot, cached per map of tensors, since they are looked up often. */
const scopes = new WeakMap<WeightSource["tensors"], ReadonlySet<string>>();

function scopesOf({ tensors }: WeightSource): ReadonlySet<string> {
  const known = scopes.get(tensors);
  if (known !== undefined) return known;
  const found = new Set<string>();
  for (const name of tensors.keys()) {
    let dot = name.indexOf(".");
    for (let depth = 0; dot !== -1 && depth < maxDepth; depth++, dot = name.indexOf(".", dot + 1)) {
      found.add(name.slice(0, dot + 1));
    }
  }
  scopes.set(tensors, found);
  return found;
}

/** Whether any tensor's name starts with `prefix`, which ends in a dot. */
export function hasSubtree(source: WeightSource, prefix: string): boolean {
  return scopesOf(source).has(prefix);
}

/** Whether any tensor's name matches `pattern`. */
export function hasKeyLike({ tensors }: WeightSource, pattern: RegExp): boolean {
  for (const name of tensors.keys()) if (pattern.test(name)) return true;
  return false;
}

/** Counts the consecutive prefixes `<prefix>0.`, `<prefix>1.`, ... */
export function countNumbered(source: WeightSource, prefix: string): number {
  let count = 0;
  while (hasSubtree(source, `${prefix}${count}.`)) count++;
  return count;
}

/** The shape of a required tensor. Throws an InputError if it is missing or does not have `rank` axes. */
export function requiredShape<R extends number>(source: WeightSource, name: string, rank: R): Tuple<number, R> {
  const shape = shapeOf(source, name);
  if (shape === undefined) throw new InputError(`${source.origin}: the tensor ${name} is missing`);
  if (hasLength(shape, rank)) return shape;
  throw new InputError(`${source.origin}: ${name} has ${shape.length} axes, not ${rank}`);
}

/** Number of heads of width `size`. Throws an InputError if they do not divide `width`. */
export function headCount(source: WeightSource, width: number, size: number): number {
  if (width % size !== 0) {
    throw new InputError(`${source.origin}: a width of ${width} is not a multiple of attention heads of ${size}`);
  }
  return width / size;
}

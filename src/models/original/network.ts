/**
 * @file Networks inside checkpoints of the original layout (Stability AI's repositories, and those that write their format):
 * their configuration is read off the shapes, since such a file has none.
 */

import { InputError } from "../../core/errors.js";
import { hasLength, type Tuple } from "../../core/lists.js";
import { shapeOf, type WeightSource } from "../../weights/source.js";

/** A network under the names of diffusers and transformers, with what its config.json would say. */
export interface OriginalNetwork {
  readonly config: Readonly<Record<string, unknown>>;
  readonly weights: WeightSource;
}

/**
 * What training left in such files and no network reads: noise schedules as numbers, averaged weights beside the weights,
 * CLIP's temperature, the discriminator of the autoencoder, a projection that Stable Diffusion 1.5 and SDXL's first encoder lack.
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

/** `source` without the tensors that no network reads. */
export function withoutUnusedKeys(source: WeightSource): WeightSource {
  const tensors = [...source.tensors].filter(([name]) => !unusedKeys.some((pattern) => pattern.test(name)));
  return { ...source, tensors: new Map(tensors) };
}

/** The tensors below `prefix`, named without it; `title` is added to the origin. */
export function subtree(source: WeightSource, prefix: string, title: string): WeightSource {
  const tensors = [...source.tensors].flatMap(([name, stored]) =>
    name.startsWith(prefix) ? [[name.slice(prefix.length), stored] as const] : [],
  );
  return { origin: `${source.origin} (${title})`, tensors: new Map(tensors), metadata: source.metadata };
}

/** No network's keys have as many dots; a made-up key may have millions. */
const deepest = 16;

/** Every beginning of a key that ends in a dot, kept for each map of tensors: a big file is asked often. */
const scopes = new WeakMap<WeightSource["tensors"], ReadonlySet<string>>();

function scopesOf({ tensors }: WeightSource): ReadonlySet<string> {
  const known = scopes.get(tensors);
  if (known !== undefined) return known;
  const found = new Set<string>();
  for (const name of tensors.keys()) {
    let dot = name.indexOf(".");
    for (let depth = 0; dot !== -1 && depth < deepest; depth++, dot = name.indexOf(".", dot + 1)) {
      found.add(name.slice(0, dot + 1));
    }
  }
  scopes.set(tensors, found);
  return found;
}

/** Whether any tensor lies below `prefix`, which ends in a dot. */
export function hasSubtree(source: WeightSource, prefix: string): boolean {
  return scopesOf(source).has(prefix);
}

/** Whether any tensor's name matches `pattern`. */
export function hasKeyLike({ tensors }: WeightSource, pattern: RegExp): boolean {
  for (const name of tensors.keys()) if (pattern.test(name)) return true;
  return false;
}

/** How many of `<prefix>0.`, `<prefix>1.`, ... there are without a gap. */
export function countNumbered(source: WeightSource, prefix: string): number {
  let count = 0;
  while (hasSubtree(source, `${prefix}${count}.`)) count++;
  return count;
}

/** The shape of a tensor that every network of the kind has, which must have as many axes. */
export function requiredShape<R extends number>(source: WeightSource, name: string, rank: R): Tuple<number, R> {
  const shape = shapeOf(source, name);
  if (shape === undefined) throw new InputError(`${source.origin}: the tensor ${name} is missing`);
  if (hasLength(shape, rank)) return shape;
  throw new InputError(`${source.origin}: ${name} has ${shape.length} axes, not ${rank}`);
}

/** How many heads of `size` make up `width`; `what` has them. */
export function headsOf(source: WeightSource, width: number, size: number): number {
  if (width % size !== 0) {
    throw new InputError(`${source.origin}: a width of ${width} is not made of attention heads of ${size}`);
  }
  return width / size;
}

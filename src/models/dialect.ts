/** @file The one seam where key names of older checkpoints become those that model code reads. */

import type { StoredTensor, WeightSource } from "../weights/source.js";

/** Rewrites of key names; all that match are applied, in order. */
export type Dialect = readonly (readonly [pattern: RegExp, replacement: string])[];

/** `source` in the names of model code. A key whose new name is taken keeps its own, so that it is seen as unused. */
export function translateKeys(source: WeightSource, dialect: Dialect): WeightSource {
  const tensors = new Map<string, StoredTensor>();
  for (const [name, stored] of source.tensors) {
    const translated = dialect.reduce((key, [pattern, replacement]) => key.replace(pattern, replacement), name);
    const taken = translated !== name && (source.tensors.has(translated) || tensors.has(translated));
    tensors.set(taken ? name : translated, stored);
  }
  return { ...source, tensors };
}

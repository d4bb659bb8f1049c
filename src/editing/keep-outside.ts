/** @file Latents that change inside of a mask alone. */

import { at } from "../core/lists.js";
import { type FloatTensor, floatTensor } from "../core/tensor.js";

/** (1 - m) * kept + m * changed; everything where there is no mask. `mask` [1, 1, h, w] is shared by the channels. */
export function keepOutside(mask: FloatTensor | null, kept: FloatTensor, changed: FloatTensor): FloatTensor {
  if (mask === null) return changed;
  const area = mask.data.length;
  return floatTensor(
    changed.shape,
    changed.data.map((x, i) => {
      const m = at(mask.data, i % area);
      return (1 - m) * at(kept.data, i) + m * x;
    }),
  );
}

/** @file Restricting a change of latents to a mask. */

import { at } from "../core/lists.js";
import { type FloatTensor, floatTensor } from "../core/tensor.js";

/** (1 - m) * kept + m * changed; `changed` without a mask. `mask` [1, 1, h, w] applies to all channels. */
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

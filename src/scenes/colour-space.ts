/** @file Oklab, in which distances are about as large as they look, and the nearest of the world's colours. */

import { type Colour, colourRgb, colours, type Rgb } from "./scene.js";

type Lab = readonly [lightness: number, greenRed: number, blueYellow: number];

/** sRGB in [0,1] (values outside are cut) to Oklab. Source: Ottosson 2020, "A perceptual color space for image processing". */
export function oklab(rgb: Rgb): Lab {
  const [r, g, b] = rgb.map(linear) as [number, number, number];
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function linear(value: number): number {
  const cut = Math.min(1, Math.max(0, value));
  return cut <= 0.04045 ? cut / 12.92 : ((cut + 0.055) / 1.055) ** 2.4;
}

const prototypes = colours.map((colour) => ({ colour, lab: oklab(colourRgb[colour]) }));

export function nearestColour(rgb: Rgb): { readonly colour: Colour; readonly distance: number } {
  const [lightness, greenRed, blueYellow] = oklab(rgb);
  let best: { colour: Colour; distance: number } = { colour: colours[0], distance: Number.POSITIVE_INFINITY };
  for (const { colour, lab } of prototypes) {
    const distance = Math.hypot(lightness - lab[0], greenRed - lab[1], blueYellow - lab[2]);
    if (distance < best.distance) best = { colour, distance };
  }
  return best;
}

/**
 * @file The outline of every shape, as a signed distance: negative inside, in units of the radius.
 *
 * Shapes lie in the box [-1,1] x [-1,1], y downwards, and are drawn so that none looks much heavier than another. Distances
 * are exact near the edges, which is where anti-aliasing looks at them.
 */

import type { ObjectShape } from "./scene.js";

type Outline = (x: number, y: number) => number;

const starPoints = 5;
const starInner = 0.44;
const starWedge = Math.PI / starPoints;
/** Edge of one half of a star's point: from the tip (1, 0) to the notch at angle 36 degrees. */
const starEdge = edge(1, 0, starInner * Math.cos(starWedge), starInner * Math.sin(starWedge));
/** The five points reach further up than down; this centres them in the box. */
const starDrop = (1 - Math.cos(starWedge)) / 2;

const triangleEdge = edge(0, -0.93, 1, 0.87);

/** A heart is a square on its corner with a half-disc on both upper sides; its half diagonal, so that it is 2 wide. */
const heartSquare = 2 / (1 + Math.SQRT2);
const heartDisc = heartSquare / Math.SQRT2;
const heartDrop = (heartSquare / 2 + heartDisc - heartSquare) / 2;

export const outlines: Readonly<Record<ObjectShape, Outline>> = {
  circle: (x, y) => Math.hypot(x, y) - 0.95,
  square: (x, y) => Math.max(Math.abs(x), Math.abs(y)) - 0.85,
  triangle: (x, y) => Math.max(triangleEdge(Math.abs(x), y), y - 0.87),
  star: (x, y) => {
    // Fold the plane into half of one point: angle from the nearest tip, the first of which looks upwards.
    const down = y - starDrop;
    const angle = Math.atan2(x, -down);
    const folded = Math.abs(angle - 2 * starWedge * Math.round(angle / (2 * starWedge)));
    const length = Math.hypot(x, down);
    return starEdge(length * Math.cos(folded), length * Math.sin(folded));
  },
  heart: (x, y) => {
    const across = Math.abs(x);
    const down = y - heartDrop;
    const square = (across + Math.abs(down) - heartSquare) / Math.SQRT2;
    const disc = Math.hypot(across - heartSquare / 2, down + heartSquare / 2) - heartDisc;
    return Math.min(square, disc);
  },
};

/** Signed distance to the line from a to b, positive on the side away from the origin. */
function edge(ax: number, ay: number, bx: number, by: number): Outline {
  const length = Math.hypot(bx - ax, by - ay);
  let nx = (by - ay) / length;
  let ny = -(bx - ax) / length;
  let offset = nx * ax + ny * ay;
  if (offset < 0) [nx, ny, offset] = [-nx, -ny, -offset];
  return (x, y) => nx * x + ny * y - offset;
}

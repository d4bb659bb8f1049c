/** @file The fixed position table of SD3's transformer, which its checkpoints hold as a tensor. */

/**
 * Sines and cosines of column and row, a quarter of the width each: [side * side, width] in row-major order. Positions are
 * scaled to a grid of `base` x `base` (diffusers 0.32.2, models/embeddings.py, get_2d_sincos_pos_embed).
 */
export function positionTable(side: number, base: number, width: number): Float32Array {
  const table = new Float32Array(side * side * width);
  const quarter = width / 4;
  for (let index = 0; index < side * side; index++) {
    const coordinates = [index % side, Math.floor(index / side)];
    for (const [half, coordinate] of coordinates.entries()) {
      const position = coordinate / (side / base);
      for (let i = 0; i < quarter; i++) {
        const angle = position / 10000 ** (i / quarter);
        const at = index * width + half * 2 * quarter + i;
        table[at] = Math.sin(angle);
        table[at + quarter] = Math.cos(angle);
      }
    }
  }
  return table;
}

/** @file A small data set for tests: coloured geometric shapes with captions. */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";

const colours = { red: "#d33", green: "#2a4", blue: "#36c", yellow: "#ec3" } as const;
const shapes = {
  circle: '<circle cx="32" cy="32" r="20"/>',
  square: '<rect x="14" y="14" width="36" height="36"/>',
  triangle: '<polygon points="32,10 54,52 10,52"/>',
} as const;

/** Writes one image per colour and shape with metadata.jsonl; returns the captions. */
export async function writeTestImages(folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const captions: string[] = [];
  const lines: string[] = [];
  for (const [colour, fill] of Object.entries(colours)) {
    for (const [shape, outline] of Object.entries(shapes)) {
      const name = `${colour}-${shape}.png`;
      const ground = '<rect width="64" height="64" fill="#eee"/>';
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64">${ground}<g fill="${fill}">${outline}</g></svg>`;
      await sharp(Buffer.from(svg)).png().toFile(join(folder, name));
      captions.push(`a ${colour} ${shape}`);
      lines.push(JSON.stringify({ file_name: name, text: `a ${colour} ${shape}` }));
    }
  }
  await writeFile(join(folder, "metadata.jsonl"), `${lines.join("\n")}\n`);
  return captions;
}

/** @file The demo's data set: training scenes with captions that are true, in the style in which prompts are written. */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Generator } from "../core/random.js";
import { type CaptionedImage, imageFile } from "../data/captioned-image.js";
import { savePng } from "../data/png.js";
import { phrase, type Register } from "../scenes/caption.js";
import { describe } from "../scenes/describe.js";
import { render } from "../scenes/render.js";
import { sampleScene } from "../scenes/sample-scene.js";
import { type Category, categories } from "../scenes/scene.js";
import type { Split } from "../scenes/splits.js";

/**
 * The style of prompts. Most images that the bundled pipeline saw under labels of this style were cut carelessly, as many of
 * the web are (docs/experiments/pretraining.md); the data set's are whole.
 */
export const promptRegister: Register = "alt";

/** Writes `count` scenes, the categories `among` in turn, as an image folder with metadata.jsonl. */
export async function writeScenes(
  folder: string,
  count: number,
  split: Split,
  seed: number,
  among: readonly Category[] = categories,
): Promise<CaptionedImage[]> {
  await mkdir(folder, { recursive: true });
  const random = new Generator(seed);
  const items: CaptionedImage[] = [];
  const lines: string[] = [];
  for (let index = 0; index < count; index++) {
    const scene = sampleScene(split, random, among[index % among.length]);
    const text = phrase(describe(scene, random), promptRegister, random);
    const name = `scene-${String(index + 1).padStart(5, "0")}.png`;
    const file = join(folder, name);
    await savePng(file, render(scene), {});
    items.push({ ...imageFile(file), captions: [text] });
    lines.push(JSON.stringify({ file_name: name, text }));
  }
  await writeFile(join(folder, "metadata.jsonl"), `${lines.join("\n")}\n`);
  return items;
}

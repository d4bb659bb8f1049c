/** @file Goldens of tokenizers and prompt embeddings. */

import { join } from "node:path";
import { z } from "zod";
import { type FloatTensor, floatTensor } from "#softrepa/core/tensor.js";
import { openClipTokenizer, openT5Tokenizer } from "#softrepa/models/tokenizer/index.js";
import { foldAbsentText } from "./absent-text.js";
import { type Comparison, compare, limits } from "./compare.js";
import { GoldenFile, readJson } from "./golden-file.js";
import { type Subject, textSchema } from "./subject.js";

const idsSchema = z.array(z.array(z.number()));

export async function* checkTokenizers({ folder, meta }: Subject, golden: string): AsyncGenerator<Comparison> {
  const text = await readJson(folder, golden, textSchema);
  for (const suffix of ["", "_2", "_3"]) {
    const expected = idsSchema.safeParse(text[`input_ids_${suffix === "" ? 1 : suffix.slice(1)}`]);
    if (!expected.success) continue;
    const path = join(folder, "pipeline", `tokenizer${suffix}`);
    const length = meta.t5_max_length ?? 256;
    const tokenizer = suffix === "_3" ? await openT5Tokenizer(path, length) : await openClipTokenizer(path);
    const ids = text.prompts.map((prompt) => tokenizer.encode(prompt).ids);
    yield compare(`tokenizer${suffix}`, tableOf(ids), tableOf(expected.data), limits.exact);
  }
}

function tableOf(ids: readonly (readonly number[])[]): FloatTensor {
  return floatTensor([ids.length, ids[0].length], Float32Array.from(ids.flat()));
}

export async function* checkPromptEmbeddings(
  { folder, pipeline }: Subject,
  golden: string,
): AsyncGenerator<Comparison> {
  const { prompts } = await readJson(folder, "text.json", textSchema);
  const file = await GoldenFile.open(join(folder, golden));
  const { conditioning } = await pipeline.encodePrompts(prompts);
  for (const [name, shape] of Object.entries(pipeline.conditioningShapes)) {
    yield compare(name, conditioning[name], foldAbsentText(name, await file.tensor(name), shape), limits.module);
  }
}

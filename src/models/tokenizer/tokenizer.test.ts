import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rename, rm, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { z } from "zod";
import { InputError } from "../../core/errors.js";
import { repetitions } from "../../testing/core/repetitions.js";
import { builtInClipFolder, builtInClipSize, vocabularyOf } from "./clip-vocabulary.js";
import { openClipTokenizer, openT5Tokenizer, type TextTokenizer } from "./index.js";

const parity = fileURLToPath(new URL("../../../test/fixtures/parity/", import.meta.url));
const idLists = z.array(z.array(z.number()));
const familyTexts = z.object({
  prompts: z.array(z.string()),
  input_ids_1: idLists,
  input_ids_2: idLists.optional(),
  input_ids_3: idLists.optional(),
});
/** `also_accepted` holds ids without ftfy, which are not accepted here. */
const clipGolden = z.array(z.object({ text: z.string(), input_ids: z.array(z.number()) }));

async function readJson<T>(file: string, schema: z.ZodType<T>): Promise<T> {
  return schema.parse(JSON.parse(await readFile(file, "utf8")));
}

/** Copies of tokenizer folders, removed after the tests. */
const copies: string[] = [];
async function copyOf(folder: string): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), "softrepa-tokenizer-"));
  copies.push(copy);
  await cp(join(parity, folder), copy, { recursive: true });
  return copy;
}
after(() => Promise.all(copies.map((copy) => rm(copy, { recursive: true }))));

/** The full vocabulary with the settings of a small pipeline's tokenizer, mapped to the full vocabulary's ids. */
async function fullVocabulary(settings: string): Promise<string> {
  const folder = await copyOf("clip-tokenizer");
  const config = await readFile(join(parity, settings, "tokenizer_config.json"), "utf8");
  await writeFile(
    join(folder, "tokenizer_config.json"),
    config.replace('"1512"', '"49406"').replace('"1513"', '"49407"'),
  );
  return folder;
}

for (const family of ["sd15", "sdxl", "sd3", "sd35"]) {
  describe(`tokenizers of ${family}, against transformers`, async () => {
    const texts = await readJson(join(parity, family, "text.json"), familyTexts);
    for (const [folder, expected] of [
      ["tokenizer", texts.input_ids_1],
      ["tokenizer_2", texts.input_ids_2],
      ["tokenizer_3", texts.input_ids_3],
    ] as const) {
      if (!expected) continue;
      it(folder, async () => {
        const path = join(parity, family, "pipeline", folder);
        const meta = z.object({ t5_max_length: z.number().optional() });
        const { t5_max_length: maxLength = 0 } = await readJson(join(parity, family, "meta.json"), meta);
        const tokenizer = await (folder === "tokenizer_3" ? openT5Tokenizer(path, maxLength) : openClipTokenizer(path));
        assert.deepEqual(
          texts.prompts.map((prompt) => tokenizer.encode(prompt).ids),
          expected,
        );
      });
    }
  });
}

for (const [golden, settings] of [
  ["golden-sd1", "sd15/pipeline/tokenizer"],
  ["golden-sdxl2", "sdxl/pipeline/tokenizer_2"],
] as const) {
  describe(`the full CLIP vocabulary, ${golden}`, async () => {
    const cases = await readJson(join(parity, "clip-tokenizer", `${golden}.json`), clipGolden);
    let tokenizer: TextTokenizer;
    before(async () => {
      tokenizer = await openClipTokenizer(await fullVocabulary(settings));
    });
    for (const { text, input_ids } of cases) {
      it(JSON.stringify(text.slice(0, 40)), () => assert.deepEqual(tokenizer.encode(text).ids, input_ids));
    }
  });
}

describe("the built-in vocabulary", () => {
  it("has CLIP's tokens and ids", async () => {
    const merges = (await readFile(join(builtInClipFolder, "merges.txt"), "utf8")).trim().split("\n").slice(1);
    const pairs = merges.map((line): [string, string] => [line.split(" ")[0], line.split(" ")[1]]);
    const vocabulary = vocabularyOf(pairs);
    const ids = z.record(z.string(), z.number());
    assert.deepEqual(vocabulary, await readJson(join(parity, "clip-tokenizer", "vocab.json"), ids));
    assert.equal(Object.keys(vocabulary).length, builtInClipSize);
  });

  for (const [golden, pad] of [
    ["golden-sd1", "<|endoftext|>"],
    ["golden-sdxl2", "!"],
  ] as const) {
    it(`returns the ids of ${golden}`, async () => {
      const tokenizer = await openClipTokenizer(builtInClipFolder, pad);
      const cases = await readJson(join(parity, "clip-tokenizer", `${golden}.json`), clipGolden);
      assert.deepEqual(
        cases.map(({ text }) => tokenizer.encode(text).ids),
        cases.map(({ input_ids }) => input_ids),
      );
    });
  }
});

describe("openClipTokenizer", () => {
  it("returns the truncated text of a long prompt, and keeps the end token", async () => {
    const tokenizer = await openClipTokenizer(await fullVocabulary("sd15/pipeline/tokenizer"));
    const fits = tokenizer.encode(Array(75).fill("word").join(" "));
    assert.deepEqual([fits.length, fits.truncated], [77, null]);
    const long = tokenizer.encode(`${Array(75).fill("word").join(" ")} a Red, red café`);
    assert.deepEqual([long.length, long.ids.at(-1), long.truncated], [77, 49407, "a red, red café"]);
    assert.deepEqual(long.ids, fits.ids);
    const short = tokenizer.encode("a cat");
    assert.deepEqual([short.length, short.truncated, short.ids.length], [4, null, 77]);
  });

  it("returns the truncated text after fixing it", async () => {
    const tokenizer = await openClipTokenizer(await fullVocabulary("sd15/pipeline/tokenizer"));
    const { truncated } = tokenizer.encode(`${Array(75).fill("word").join(" ")} it’s ﬁne &amp; ｗｉｄｅ`);
    assert.equal(truncated, "it's fine & wide");
  });

  it("returns the ids of CLIPTokenizer with ftfy", async () => {
    const [first, second] = await Promise.all(
      ["sd15/pipeline/tokenizer", "sdxl/pipeline/tokenizer_2"].map(async (settings) =>
        openClipTokenizer(await fullVocabulary(settings)),
      ),
    );
    const ids = (tokenizer: TextTokenizer | undefined, text: string): number[] | undefined => {
      const encoded = tokenizer?.encode(text);
      return encoded?.ids.slice(1, encoded.length - 1);
    };
    const fine = "it’s “red” &amp; ﬁne ｗｉｄｅ　A\u0007B";
    for (const tokenizer of [first, second]) {
      assert.deepEqual(ids(tokenizer, fine), [585, 568, 257, 736, 257, 261, 3797, 3184, 3937]);
      assert.deepEqual(ids(tokenizer, fine), ids(tokenizer, 'it\'s "red" & fine wide ab'));
    }
    // Special tokens are matched before fixing: the full-width mark is not padding, and the "<" of the token is not HTML.
    assert.deepEqual(ids(second, "a ！ !"), [320, 256, 0]);
    assert.deepEqual(ids(first, "a <|ENDOFTEXT|>"), [320, 49407]);
    assert.deepEqual(ids(first, "&amp;<|endoftext|>&amp;"), [261, 49407, 261]);
  });

  it("composes accents, and lowercases a sigma by its position in the word", async () => {
    const tokenizer = await openClipTokenizer(await fullVocabulary("sd15/pipeline/tokenizer"));
    assert.deepEqual(tokenizer.encode("cafe\u0301"), tokenizer.encode("caf\u00e9"));
    assert.deepEqual(tokenizer.encode("ΑΣ").ids.slice(0, 6), [49406, 138, 109, 139, 480, 49407]);
  });

  it("frames and pads any text, including lone surrogates", async () => {
    const tokenizer = await openClipTokenizer(join(parity, "sd3/pipeline/tokenizer_2"));
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        const { ids, length } = tokenizer.encode(text);
        assert.equal(ids.length, 77);
        assert.equal(ids[0], 1512);
        assert.equal(ids[length - 1], 1513);
        assert.ok(ids.slice(length).every((id) => id === 0));
        assert.ok(ids.every((id) => Number.isInteger(id) && id >= 0 && id < 1514));
      }),
      { numRuns: repetitions(100) },
    );
    assert.equal(tokenizer.encode("\ud800 a \udc00").ids.length, 77);
  });

  it("recognises added tokens wherever transformers keeps them", async () => {
    const settings = JSON.parse(await readFile(join(parity, "sd15/pipeline/tokenizer/tokenizer_config.json"), "utf8"));
    const { added_tokens_decoder: decoder, ...older } = settings;
    const config = (value: object) => JSON.stringify(value);
    const idsOf = async (files: Readonly<Record<string, string>>) => {
      const folder = await copyOf("sd15/pipeline/tokenizer");
      for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
      return (await openClipTokenizer(folder)).encode("a <cat-toy> backpack").ids;
    };
    const wanted = await idsOf({
      "tokenizer_config.json": config({
        ...settings,
        added_tokens_decoder: { ...decoder, 1514: { content: "<cat-toy>" } },
      }),
    });
    assert.equal(wanted[2], 1514);
    const added = { "added_tokens.json": '{"<cat-toy>": 1514}' };
    assert.deepEqual(await idsOf({ "tokenizer_config.json": config(older), ...added }), wanted);
    const map = '{"additional_special_tokens": ["<cat-toy>"]}';
    const both = { "tokenizer_config.json": config(older), ...added, "special_tokens_map.json": map };
    assert.deepEqual(await idsOf(both), wanted);
  });

  it("reads tokenizer.json alone, as transformers 5 writes it", async () => {
    const whole = join(parity, "sd15/pipeline/tokenizer");
    const vocab = JSON.parse(await readFile(join(whole, "vocab.json"), "utf8"));
    const pairs = (await readFile(join(whole, "merges.txt"), "utf8")).trim().split("\n").slice(1);
    const wanted = (await openClipTokenizer(whole)).encode("a cat, 2 dogs!").ids;
    for (const merges of [pairs, pairs.map((pair) => pair.split(" "))]) {
      const folder = await copyOf("sd15/pipeline/tokenizer");
      for (const name of ["vocab.json", "merges.txt", "special_tokens_map.json"])
        await rm(join(folder, name), { force: true });
      const added = [{ id: 1514, content: "<cat-toy>" }];
      const json = { version: "1.0", added_tokens: added, model: { type: "BPE", vocab, merges } };
      await writeFile(join(folder, "tokenizer.json"), JSON.stringify(json));
      const tokenizer = await openClipTokenizer(folder);
      assert.deepEqual(tokenizer.encode("a cat, 2 dogs!").ids, wanted);
      assert.equal(tokenizer.encode("<cat-toy>").ids[1], 1514);
    }
  });

  it("reads older folders, in which special_tokens_map.json has the pad token", async () => {
    const folder = await copyOf("sd3/pipeline/tokenizer_2");
    const config = { bos_token: { __type: "AddedToken", content: "<|startoftext|>", normalized: true } };
    const old = { ...config, pad_token: "<|endoftext|>", model_max_length: 1e30 };
    await writeFile(join(folder, "tokenizer_config.json"), JSON.stringify(old));
    const tokenizer = await openClipTokenizer(folder);
    const reference = await openClipTokenizer(join(parity, "sd3/pipeline/tokenizer_2"));
    for (const text of ["a cat!!", "", "<|ENDOFTEXT|> b"]) {
      assert.deepEqual(tokenizer.encode(text), reference.encode(text));
    }
    await unlink(join(folder, "special_tokens_map.json"));
    assert.equal((await openClipTokenizer(folder)).encode("").ids.at(-1), 1513);
  });

  it("rejects missing or damaged files by name", async () => {
    const damage: [string, (folder: string) => Promise<void>, RegExp][] = [
      ["no vocabulary", (f) => unlink(join(f, "vocab.json")), /vocab\.json is missing: .* merges\.txt and/],
      ["no merges", (f) => unlink(join(f, "merges.txt")), /merges\.txt is missing/],
      ["no settings", (f) => unlink(join(f, "tokenizer_config.json")), /tokenizer_config\.json is missing/],
      ["truncated vocabulary", (f) => cut(join(f, "vocab.json")), /vocab\.json is not valid JSON/],
      [
        "merges truncated at a line",
        (f) => lines(f, (all) => all.slice(0, 500)),
        /merges\.txt does not fit .* no merge/,
      ],
      [
        "merges truncated in a line",
        (f) => lines(f, (all) => [...all.slice(0, 500), "th"]),
        /merges\.txt line 501 is not two/,
      ],
      ["foreign merges", (f) => lines(f, (all) => [...all, "zq xw"]), /merges\.txt makes zqxw, which/],
      ["truncated map", (f) => cut(join(f, "special_tokens_map.json")), /special_tokens_map\.json is not valid JSON/],
      ["fractional id", (f) => writeFile(join(f, "vocab.json"), '{"a": 1.5}'), /vocab\.json is not .* at a:/],
      ["other form", (f) => writeFile(join(f, "vocab.json"), "[]"), /vocab\.json is not what/],
      ["no such token", (f) => setting(f, "pad_token", "<nothing>"), /vocab\.json has no .* token <nothing>/],
      ["odd length", (f) => setting(f, "model_max_length", 2.5), /tokenizer_config\.json: model_max_length 2\.5/],
    ];
    for (const [what, spoil, message] of damage) {
      const folder = await copyOf("sd15/pipeline/tokenizer");
      await spoil(folder);
      await assert.rejects(openClipTokenizer(folder), (error) => isInputError(error, message), what);
    }
  });
});

describe("openT5Tokenizer", () => {
  const folder = "sd3/pipeline/tokenizer_3";

  it("ends with </s>, pads, and returns the truncated text", async () => {
    const tokenizer = await openT5Tokenizer(join(parity, folder), 6);
    const empty = tokenizer.encode("");
    assert.deepEqual(empty, { ids: [1, 0, 0, 0, 0, 0], length: 1, truncated: null });
    const long = tokenizer.encode("a photo of a red banana");
    assert.deepEqual([long.ids.length, long.ids.at(-1), long.length], [6, 1, 6]);
    const whole = (await openT5Tokenizer(join(parity, folder), 99)).encode("a photo of a red banana");
    assert.equal(whole.truncated, null);
    assert.deepEqual(long.ids.slice(0, 5), whole.ids.slice(0, 5));
    assert.ok(long.truncated && "a photo of a red banana".endsWith(long.truncated), String(long.truncated));
  });

  it("uses the model's character table if it has one", async () => {
    const table = fileURLToPath(new URL("../../../test/fixtures/tokenizer/charsmap.json", import.meta.url));
    const { charsmap } = await readJson(table, z.object({ charsmap: z.string() }));
    const copy = await copyOf(folder);
    const file = join(copy, "tokenizer.json");
    const normalizer = JSON.stringify({ type: "Precompiled", precompiled_charsmap: charsmap });
    await writeFile(file, (await readFile(file, "utf8")).replace(/\{\s*"type": "NFKC"\s*\}/, normalizer));
    const tokenizer = await openT5Tokenizer(copy, 12);
    // The table maps the first to "1" and removes the last; the library's rules would change the middle one too.
    assert.deepEqual(tokenizer.encode("a ① cat\u0007"), tokenizer.encode("a 1 cat"));
    assert.notDeepEqual(tokenizer.encode("ａ cat"), tokenizer.encode("a cat"));
    await writeFile(file, (await readFile(file, "utf8")).replace(charsmap, charsmap.slice(0, 40)));
    await assert.rejects(openT5Tokenizer(copy, 12), (error) => isInputError(error, /tokenizer\.json: the precompiled/));
  });

  it("rejects missing or damaged files by name", async () => {
    const damage: [string, (folder: string) => Promise<void>, RegExp][] = [
      ["nothing", (f) => unlink(join(f, "tokenizer.json")), /tokenizer\.json is missing: a T5 tokenizer needs/],
      [
        "slow files only",
        (f) => rename(join(f, "tokenizer.json"), join(f, "spiece.model")),
        /tokenizer\.json is missing: spiece\.model alone/,
      ],
      ["no settings", (f) => unlink(join(f, "tokenizer_config.json")), /tokenizer_config\.json is missing/],
      ["cut", (f) => cut(join(f, "tokenizer.json")), /tokenizer\.json is not valid JSON/],
      [
        "no model",
        (f) => writeFile(join(f, "tokenizer.json"), "{}"),
        /tokenizer\.json is not what a tokenizer needs at/,
      ],
      [
        "unknown part",
        async (f) => {
          const text = await readFile(join(f, "tokenizer.json"), "utf8");
          await writeFile(join(f, "tokenizer.json"), text.replace('"NFKC"', '"NFXX"'));
        },
        /tokenizer\.json cannot be used: .*NFXX/,
      ],
      ["no such token", (f) => setting(f, "pad_token", "<nothing>"), /tokenizer\.json has no .* token <nothing>/],
    ];
    for (const [what, spoil, message] of damage) {
      const copy = await copyOf(folder);
      await spoil(copy);
      await assert.rejects(openT5Tokenizer(copy, 24), (error) => isInputError(error, message), what);
    }
  });
});

async function cut(file: string): Promise<void> {
  const text = await readFile(file, "utf8");
  await writeFile(file, text.slice(0, text.length / 2));
}

async function lines(folder: string, change: (all: string[]) => string[]): Promise<void> {
  const file = join(folder, "merges.txt");
  await writeFile(file, change((await readFile(file, "utf8")).trimEnd().split("\n")).join("\n"));
}

async function setting(folder: string, key: string, value: unknown): Promise<void> {
  const file = join(folder, "tokenizer_config.json");
  await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, "utf8")), [key]: value }));
}

function isInputError(error: unknown, message: RegExp): boolean {
  assert.ok(error instanceof InputError, String(error));
  assert.match(error.message, message);
  assert.doesNotMatch(error.message, /\n/);
  return true;
}

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { appendFile, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import fc from "fast-check";
import { InputError } from "../../core/errors.js";
import { Generator } from "../../core/random.js";
import { type FloatTensor, floatTensor } from "../../core/tensor.js";
import type { View } from "../../data/load-image.js";
import { float16ToFloat32, float32ToFloat16 } from "../../weights/half.js";
import { LatentsCache, type LatentsCacheSettings, latentsCacheBytes } from "./latents-cache.js";

const scratch = await mkdtemp(join(tmpdir(), "softrepa-latents-"));
after(() => rm(scratch, { recursive: true, force: true }));
let folders = 0;
const freshFolder = () => join(scratch, String(folders++));

const latentShape = [2, 3, 3];
const middle: View = { crop: "center" };
/** Any bytes serve as an image file; its index determines its latents. */
const image = (index: number) => Buffer.from(`image ${index}`);
const latents = (index: number) => new Generator(index).normal([1, ...latentShape]);
const rounded = (tensor: FloatTensor) => floatTensor(tensor.shape, float16ToFloat32(float32ToFloat16(tensor.data)));

/** A cache with records of encoded images and reported notes. */
async function opened(folder: string, changes: Partial<LatentsCacheSettings> = {}) {
  const notes: string[] = [];
  const encoded: number[] = [];
  const settings = { folder, fingerprint: "vae", resolution: 24, latentShape, limit: 1e6, ...changes };
  const cache = await LatentsCache.open({ ...settings, onNote: (note) => notes.push(note) });
  const get = (index: number, view = middle) =>
    cache.latentsOf(image(index), view, async () => {
      encoded.push(index);
      return latents(index);
    });
  return { cache, get, notes, encoded };
}

/** Creates a cache with the latents of some images. */
async function filled(count: number): Promise<string> {
  const folder = freshFolder();
  const { cache, get } = await opened(folder);
  for (let index = 0; index < count; index++) await get(index);
  await cache.close();
  return folder;
}

async function fileIn(folder: string, ending: string): Promise<string> {
  const [name] = (await readdir(folder)).filter((one) => one.endsWith(ending));
  return join(folder, name ?? ending);
}

describe("LatentsCache", () => {
  it("always returns the same latents, rounded to float16", async () => {
    const folder = freshFolder();
    const first = await opened(folder);
    for (const index of [0, 1, 2]) assert.deepEqual(await first.get(index), rounded(latents(index)));
    assert.notDeepEqual(rounded(latents(0)), latents(0));
    assert.deepEqual(await first.get(1), rounded(latents(1)));
    assert.deepEqual(first.encoded, [0, 1, 2]);
    await first.cache.close();
    const second = await opened(folder);
    assert.equal(second.cache.entries, 3);
    for (const index of [2, 0, 1]) assert.deepEqual(await second.get(index), rounded(latents(index)));
    assert.deepEqual([second.encoded, second.notes], [[], []]);
    await second.cache.close();
  });

  it("distinguishes views, models, resolutions and images, and rounds latents that it does not store", async () => {
    const folder = await filled(1);
    const { cache, get, encoded } = await opened(folder);
    await get(0, { crop: "center", flip: true });
    await get(0, { crop: "center", flip: true });
    await get(0, { crop: "center", flip: false });
    assert.deepEqual(encoded, [0]);
    for (let time = 0; time < 2; time++) {
      assert.deepEqual(await get(0, { crop: { x: 0.5, y: 0.5 } }), rounded(latents(0)));
    }
    assert.deepEqual(encoded, [0, 0, 0]);
    await get(7);
    assert.equal(encoded.at(-1), 7);
    await cache.close();
    for (const changes of [{ fingerprint: "other" }, { resolution: 32 }, { latentShape: [18, 1, 1] }]) {
      const other = await opened(folder, changes);
      assert.equal(other.cache.entries, 0);
      await other.cache.close();
    }
  });

  it("can be shared by two processes", async () => {
    const folder = freshFolder();
    const [one, two] = [await opened(folder), await opened(folder)];
    await Promise.all([0, 1, 2, 3].map((index) => (index % 2 === 0 ? one : two).get(index)));
    await Promise.all([one.get(9), two.get(9)]);
    await Promise.all([one.cache.close(), two.cache.close()]);
    const { cache, get, encoded } = await opened(folder);
    for (const index of [0, 1, 2, 3, 9]) assert.deepEqual(await get(index), rounded(latents(index)));
    assert.deepEqual(encoded, []);
    await cache.close();
  });

  it("stays below its limit, reports it once, and encodes other images", async () => {
    const folder = freshFolder();
    const limit = latentsCacheBytes(3, latentShape);
    const { cache, get, notes, encoded } = await opened(folder, { limit });
    for (let time = 0; time < 2; time++) {
      for (let index = 0; index < 6; index++) assert.deepEqual(await get(index), rounded(latents(index)));
    }
    assert.deepEqual(encoded, [0, 1, 2, 3, 4, 5, 3, 4, 5]);
    assert.equal(notes.length, 1);
    assert.match(notes[0] ?? "", /is full \(`latentsCacheLimit`\)/);
    await cache.close();
    let bytes = 0;
    for (const name of await readdir(folder)) bytes += (await stat(join(folder, name))).size;
    assert.equal(bytes, limit);
    const again = await opened(folder, { limit });
    await again.get(5);
    assert.deepEqual([again.encoded, again.notes.length, (await readdir(folder)).length], [[5], 1, 2]);
    await again.cache.close();
  });

  it("never returns wrong latents if files are damaged or truncated", async () => {
    const source = await filled(3);
    const index = await readFile(await fileIn(source, ".index"));
    const data = await readFile(await fileIn(source, ".f16"));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(".index", ".f16"),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.integer({ min: 1, max: 255 }),
        fc.boolean(),
        async (ending, share, flipped, truncated) => {
          const folder = await filled(0);
          const { cache: maker, get: make } = await opened(folder);
          await make(0);
          await maker.close();
          for (const [name, bytes] of [
            [".index", index],
            [".f16", data],
          ] as const) {
            const file = await fileIn(folder, name);
            const copy = Buffer.from(bytes);
            const position = Math.floor(share * copy.length);
            if (name === ending) copy[position] = (copy[position] ?? 0) ^ flipped;
            await writeFile(file, copy);
            if (name === ending && truncated) await truncate(file, position);
          }
          const damaged = await opened(folder);
          for (const at of [0, 1, 2]) assert.deepEqual(await damaged.get(at), rounded(latents(at)));
          await damaged.cache.close();
          // A truncated file looks like one after a kill.
          if (!truncated) assert.equal(damaged.notes.length, damaged.encoded.length > 0 ? 1 : 0);
          for (const note of damaged.notes) assert.match(note, /^latents cache [^\n]* damaged; [^\n]* encoded again$/);
          // The cache is repaired: the next one has all entries and no notes.
          const repaired = await opened(folder);
          for (const at of [0, 1, 2]) assert.deepEqual(await repaired.get(at), rounded(latents(at)));
          assert.deepEqual([repaired.encoded, repaired.notes], [[], []]);
          await repaired.cache.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  it("keeps intact entries beside damaged ones, and ignores other files", async () => {
    const folder = await filled(3);
    const file = await fileIn(folder, ".f16");
    const bytes = await readFile(file);
    bytes[latentsSize + 1] = (bytes[latentsSize + 1] ?? 0) ^ 1;
    await writeFile(file, bytes);
    // Like a kill while an entry is written.
    await appendFile(await fileIn(folder, ".index"), Buffer.alloc(30, 1));
    for (const name of ["notes.txt", "latents-mine.index.bak"]) await writeFile(join(folder, name), "mine");
    const { cache, get, notes, encoded } = await opened(folder);
    for (const index of [0, 1, 2]) assert.deepEqual(await get(index), rounded(latents(index)));
    assert.deepEqual([encoded, notes.length], [[1], 1]);
    await cache.close();
  });

  it("keeps all entries that were added before a kill", async () => {
    const folder = freshFolder();
    const module = new URL("./latents-cache.js", import.meta.url).href;
    const script = `
      import { LatentsCache } from ${JSON.stringify(module)};
      const [folder] = process.argv.slice(1);
      const cache = await LatentsCache.open({ folder, fingerprint: "vae", resolution: 24, latentShape: [2, 3, 3],
        limit: 1e9, onNote: () => {} });
      for (let index = 0; ; index++) {
        const data = Float32Array.from({ length: 18 }, () => index);
        await cache.latentsOf(Buffer.from("image " + index), { crop: "center" },
          async () => ({ dtype: "float32", shape: [1, 2, 3, 3], data }));
        process.stdout.write(index + "\\n");
      }`;
    for (const wanted of [1, 40, 200]) {
      const child = spawn(process.execPath, ["--input-type=module", "-e", script, folder]);
      let [text, killed] = ["", false];
      child.stdout.on("data", (chunk) => {
        text += String(chunk);
        if (killed || text.split("\n").length <= wanted) return;
        killed = child.kill("SIGKILL");
      });
      await new Promise((resolve) => child.on("close", resolve));
      const last = Number(text.trimEnd().split("\n").at(-1));
      assert.ok(last >= wanted - 1, text);
      const { cache, notes } = await opened(folder);
      for (let index = 0; index <= last; index++) {
        const { data } = await cache.latentsOf(image(index), middle, () => assert.fail(`image ${index} is missing`));
        assert.deepEqual(data, new Float32Array(18).fill(index));
      }
      assert.deepEqual(notes, []);
      await cache.close();
    }
  });

  it("continues without storing if the folder cannot be written, and rejects a path that is not a folder", async () => {
    const file = join(scratch, "a file");
    await writeFile(file, "x");
    await assert.rejects(() => opened(file), InputError);
    const folder = freshFolder();
    const { cache, get, notes } = await opened(folder);
    // A file at the path of the folder.
    await writeFile(folder, "x");
    for (let time = 0; time < 2; time++) assert.deepEqual(await get(0), rounded(latents(0)));
    assert.equal(notes.length, 1);
    assert.match(notes[0] ?? "", /cannot be written and is now read-only: /);
    await cache.close();
  });

  it("estimates its size on disk", () => {
    // COCO's 118,287 images at 16 x 64 x 64.
    const bytes = latentsCacheBytes(118_287, [16, 64, 64]);
    assert.ok(bytes > 15.4e9 && bytes < 15.6e9, `${bytes}`);
    assert.ok(latentsCacheBytes(10, latentShape, 2) > 1.9 * latentsCacheBytes(10, latentShape) - 128);
  });
});

/** Bytes of the latents of one image. */
const latentsSize = 2 * 18;

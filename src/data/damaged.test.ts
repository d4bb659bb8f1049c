import assert from "node:assert/strict";
import { realpathSync } from "node:fs";
import files from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join, sep } from "node:path";
import { after, before, describe, it } from "node:test";
import { Generator } from "../core/random.js";
import { repetitions, someOf } from "../testing/core/repetitions.js";
import { bases, damagedSets, writeDamaged } from "../testing/data/damage.js";
import { pixels } from "../testing/data/data-folders.js";
import { checkDataSet } from "./check.js";
import { openDataSet } from "./data-set.js";

/** Real paths of everything opened or listed through node:fs/promises. */
const opened: string[] = [];
const original = { open: files.open, readFile: files.readFile, readdir: files.readdir };

function remember(path: unknown): void {
  if (typeof path !== "string") return;
  try {
    opened.push(realpathSync(path));
  } catch {
    // A missing file cannot be read.
  }
}

const options = { describeTruncation: () => undefined, similarity: 0.8 };
let root = "";

before(async () => {
  root = await files.realpath(await files.mkdtemp(join(tmpdir(), "softrepa-damaged-")));
});
after(() => files.rm(root, { recursive: true, force: true }));

/** Runs `body` and asserts that it opens only files inside `folder`. */
async function inside<T>(folder: string, body: () => Promise<T>): Promise<T> {
  opened.length = 0;
  const watched = (name: keyof typeof original) =>
    Object.assign(files, {
      [name]: (path: unknown, ...rest: unknown[]) => {
        remember(path);
        return (original[name] as (...all: unknown[]) => unknown)(path, ...rest);
      },
    });
  for (const name of ["open", "readFile", "readdir"] as const) watched(name);
  syncBuiltinESMExports();
  try {
    return await body();
  } finally {
    Object.assign(files, original);
    syncBuiltinESMExports();
    for (const path of opened) assert.ok(path === folder || path.startsWith(folder + sep), `${path} was read`);
  }
}

/** Creates an empty folder inside one with secret files. */
async function emptyFolder(name: string): Promise<string> {
  const around = join(root, name);
  await files.mkdir(join(around, "data"), { recursive: true });
  await files.writeFile(join(around, "secret.png"), await pixels("png"));
  await files.writeFile(join(around, "secret.txt"), "the secret");
  return join(around, "data");
}

describe("damaged data sets", { timeout: 600_000 }, () => {
  const sets = damagedSets();

  it("are more than two hundred, with unique names", () => {
    assert.ok(sets.length >= 200, `${sets.length}`);
    assert.equal(new Set(sets.map(({ name }) => name)).size, sets.length);
  });

  for (const [name, base] of Object.entries(bases)) {
    it(`${name}: reports no fault without damage`, async () => {
      const folder = await emptyFolder(`whole-${name}`);
      const path = await writeDamaged({ name, base, damage: () => {} }, folder);
      const { faults, images } = await inside(folder, () => checkDataSet(path, options));
      assert.deepEqual(faults.kept, []);
      assert.ok(images >= 4);
      // The spy records reads.
      assert.ok(opened.length > 0);
    });
  }

  for (const [index, set] of someOf(sets).entries()) {
    it(set.name, async () => {
      const folder = await emptyFolder(`${index}`);
      const path = await writeDamaged(set, folder);
      const { faults, images } = await inside(folder, () => checkDataSet(path, options));
      assert.ok(faults.total > 0, "the damage is not reported");
      for (const { message, where } of faults.kept) {
        assert.match(message, /^[^\n]{10,600}$/);
        assert.doesNotMatch(message, /undefined|\[object|secret data|NaN/);
        assert.ok(where.length > 0);
      }
      // Opened strictly it is rejected, unless only decoding reveals the damage.
      const strict = await inside(folder, () =>
        openDataSet(path).then(
          ({ items }) => items,
          (error: unknown) => {
            assert.match(String(error), /^InputError: [^\n]+$/);
            return null;
          },
        ),
      );
      if (strict !== null)
        assert.ok(faults.kept.every(({ kind }) => kind === "unreadable-image") && images < strict.length);
      for (const { captions } of strict ?? []) assert.ok(!captions.includes("the secret"));
    });
  }

  it("are read or reported for random changes of bytes", async () => {
    const random = new Generator(7);
    const folder = await emptyFolder("random");
    for (let round = 0; round < repetitions(300); round++) {
      const names = Object.keys(bases) as (keyof typeof bases)[];
      const base = bases[names[round % names.length]];
      const damage = (plan: Awaited<ReturnType<typeof base>>) => {
        const all = [...plan.files.keys()];
        for (let change = random.integer(6); change >= 0; change--) {
          const bytes = plan.files.get(all[random.integer(all.length)]);
          if (bytes !== undefined && bytes.length > 0) bytes[random.integer(bytes.length)] = random.integer(256);
        }
      };
      const path = await writeDamaged({ name: "random", base, damage }, folder);
      const { faults } = await inside(folder, () => checkDataSet(path, options));
      for (const { message } of faults.kept) assert.match(message, /^[^\n]+$/);
      await files.rm(folder, { recursive: true });
      await files.mkdir(folder);
    }
  });
});

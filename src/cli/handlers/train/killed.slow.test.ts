import assert from "node:assert/strict";
import { existsSync, type FSWatcher, watch } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Generator } from "../../../core/random.js";
import {
  eventsOf,
  namesIn,
  outcomeOf,
  scratchFolder,
  start,
  succeeds,
  trainOn,
  writeTestImages,
} from "../../../testing/cli/support.js";

const at = await scratchFolder();
const settings = [
  ...trainOn(at("data")),
  ...["--lr", "0.01", "--steps", "240", "--save-every", "4", "--keep-last", "3"],
  ...["--hold-out", "3", "--validate-every", "24", "--crop", "random", "--flip"],
  ...["--sample-prompt", "a red circle", "--sample-every", "80", "--sample-steps", "2", "--log-every", "1", "--json"],
];
const kills = 20;

/** Files and folders of a run by name. */
async function contentOf(run: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const name of await namesIn(run)) {
    const bytes = await readFile(join(run, name)).catch(() => null);
    // The configuration contains the path of the run.
    if (name !== "config.yaml") files.set(name, bytes === null ? "folder" : bytes.toString("base64"));
  }
  return files;
}

describe("a run that is killed again and again", { timeout: 900_000 }, () => {
  before(() => writeTestImages(at("data")));

  it(`ends with the bytes of an uninterrupted run after ${kills} kills, some of them during a checkpoint`, async () => {
    await succeeds(...settings, "--out", at("whole"));
    const run = at("killed");
    const random = new Generator(11);
    const leftovers = new Set<string>();
    const reached: number[] = [];
    await mkdir(join(run, "checkpoints"), { recursive: true });
    for (let kill = 0; kill < kills; kill++) {
      const begun = existsSync(join(run, "config.yaml"));
      const child = start(begun ? ["train", "--resume", run, "--json"] : [...settings, "--out", run, "--force"]);
      const ended = outcomeOf(child);
      const end = () => child.kill("SIGKILL");
      let watcher: FSWatcher | undefined;
      if (kill % 4 === 0) {
        // At any time, mostly during the start.
        sleep(random.integer(4000)).then(end);
      } else if (kill % 4 === 1) {
        // Some steps after training started.
        let wanted = 1 + random.integer(8);
        child.stdout?.on("data", (text) => {
          wanted -= String(text).split('"event":"step"').length - 1;
          if (wanted <= 0) sleep(random.integer(20)).then(end);
        });
      } else {
        // While a checkpoint is written, in a temporary folder.
        let wanted = random.integer(3);
        watcher = watch(join(run, "checkpoints"), (_, name) => {
          if (name?.endsWith(".tmp") && !name.includes(".old.") && wanted-- === 0) sleep(random.integer(12)).then(end);
        });
      }
      const { signal, stderr } = await ended;
      watcher?.close();
      assert.equal(signal, "SIGKILL", `it ended by itself before kill ${kill}: ${stderr}`);
      const names = await namesIn(run);
      for (const name of names.filter((one) => /\.tmp($|\/)/.test(one))) leftovers.add(`${kill} ${name}`);
      reached.push(Math.max(0, ...names.map((name) => Number(/^checkpoints\/step-(\d+)$/.exec(name)?.[1] ?? 0))));
    }
    assert.ok(leftovers.size > 0, "no kill happened during a checkpoint");
    assert.ok((reached.at(-1) ?? 0) > 0, `no checkpoint was reached: ${reached}`);
    assert.deepEqual(
      reached,
      reached.toSorted((a, b) => a - b),
    );
    const reported = eventsOf(await succeeds("train", "--resume", run, "--json"));
    assert.deepEqual([reported.at(-1)?.event, reported.at(-2)?.event], ["best", "saved"]);
    const [resumed, whole] = [await contentOf(run), await contentOf(at("whole"))];
    assert.deepEqual([...resumed.keys()], [...whole.keys()]);
    // Only duration and memory may differ.
    for (const [name, bytes] of whole) if (name !== "plan.json") assert.equal(resumed.get(name), bytes, name);
    assert.ok(whole.has("tokens.safetensors") && whole.has("samples/step-000080-p00-s0.png"));
  });
});

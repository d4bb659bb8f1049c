import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const command = fileURLToPath(new URL("main.js", import.meta.url));
const unseen = "test/fixtures/parity-unseen";

function parity(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...args], { encoding: "utf8" });
  return { status, lines: stdout.trim().split("\n"), stderr };
}

describe("the parity command", () => {
  it("passes on a pipeline of another shape: no T5, patches of 1, quantisation convolutions, guidance 1", () => {
    const { status, lines } = parity(unseen);
    const tokenizers = lines.filter((line) => line.includes("tokenizer"));
    assert.deepEqual(
      lines.filter((line) => !/ ok$/.test(line)),
      ["32 passed, 0 failed, 0 not covered yet"],
    );
    assert.equal(tokenizers.length, 2);
    assert.equal(status, 0);
  });

  it("fails where one number of a golden is another", async () => {
    const folder = await mkdtemp(join(tmpdir(), "softrepa-parity-"));
    try {
      for (const name of ["meta.json", "pipeline", "vae.safetensors"]) {
        await cp(join(unseen, "sd3-no-t5", name), join(folder, name), { recursive: true });
      }
      const golden = join(folder, "vae.safetensors");
      const bytes = await readFile(golden);
      bytes.writeFloatLE(bytes.readFloatLE(bytes.length - 4) + 0.01, bytes.length - 4);
      await writeFile(golden, bytes);
      const { status, lines } = parity(folder);
      assert.equal(lines.filter((line) => / FAIL$/.test(line)).length, 1);
      assert.equal(lines.at(-1), "2 passed, 1 failed, 0 not covered yet");
      assert.equal(status, 1);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("says in one line what it cannot do", () => {
    assert.match(parity().stderr, /^usage: [^\n]*\n$/);
    assert.match(parity("no/such/folder").stderr, /^parity: no\/such\/folder does not exist\n$/);
  });
});

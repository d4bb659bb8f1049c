import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { InputError } from "./errors.js";
import { removeLeftovers, writeFileAtomic, writeFolderAtomic } from "./files.js";

const root = await mkdtemp(join(tmpdir(), "softrepa-files-"));
after(() => rm(root, { recursive: true, force: true }));
const fillWith = (text: string) => async (temporary: string) => {
  await writeFile(join(temporary, "a"), text);
  await writeFile(join(temporary, "b"), text);
};

describe("atomic writes", () => {
  it("replace an existing folder completely", async () => {
    const folder = join(root, "deep", "er", "x");
    await writeFolderAtomic(folder, fillWith("one"));
    assert.deepEqual((await readdir(folder)).sort(), ["a", "b"]);
    await writeFile(join(folder, "c"), "old");
    await writeFolderAtomic(folder, fillWith("two"));
    assert.deepEqual((await readdir(folder)).sort(), ["a", "b"]);
    assert.equal(await readFile(join(folder, "a"), "utf8"), "two");
    assert.deepEqual(await readdir(join(root, "deep", "er")), ["x"]);
  });

  it("keep the old folder if filling fails, and leave no temporary one", async () => {
    const folder = join(root, "kept");
    await writeFolderAtomic(folder, fillWith("one"));
    const full = async (temporary: string) => {
      await fillWith("two")(temporary);
      throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
    };
    await assert.rejects(
      () => writeFolderAtomic(folder, full),
      (error) => error instanceof InputError && /^cannot write .*kept: ENOSPC: no space left/.test(error.message),
    );
    assert.equal(await readFile(join(folder, "b"), "utf8"), "one");
    assert.deepEqual(
      (await readdir(root)).filter((name) => name.includes("kept")),
      ["kept"],
    );
  });

  it("removeLeftovers removes temporary files of killed processes and nothing else", async () => {
    const folder = join(root, "swept");
    await mkdir(join(folder, ".step-000004.0a1b2c3d.tmp"), { recursive: true });
    await mkdir(join(folder, ".step-000004.0a1b2c3d.old.tmp"));
    const stay = [".hidden", "x.tmp", ".notes.tmp", "step-000004"];
    for (const name of [".log.jsonl.ffffffff.tmp", ...stay]) await writeFile(join(folder, name), "x");
    await removeLeftovers(folder);
    assert.deepEqual((await readdir(folder)).sort(), stay.toSorted());
    await removeLeftovers(join(root, "nowhere"));
  });

  it("remove temporary files of processes of this machine that have ended, and of no others", async () => {
    const folder = join(root, "ended");
    await mkdir(folder);
    const source = `import { writeFolderAtomic } from ${JSON.stringify(new URL("./files.js", import.meta.url).href)};
      await writeFolderAtomic(${JSON.stringify(join(folder, "x"))}, async () => process.kill(process.pid, "SIGKILL"));`;
    const { signal } = spawnSync(process.execPath, ["--input-type=module", "-e", source]);
    assert.equal(signal, "SIGKILL");
    const [leftover, ...others] = await readdir(folder);
    assert.ok(leftover?.startsWith(".x.") && others.length === 0);
    const other = `.y.00000000${leftover.slice(11)}`;
    await writeFile(join(folder, other), "of another machine");
    await writeFileAtomic(join(folder, "z"), "z");
    assert.deepEqual((await readdir(folder)).sort(), [other, "z"]);
  });

  it("keep the old file if writing fails", async () => {
    const file = join(root, "file");
    await writeFileAtomic(file, "one");
    await mkdir(join(root, "taken", "in"), { recursive: true });
    await assert.rejects(() => writeFileAtomic(join(root, "taken"), "x"), /cannot write .*taken/);
    await assert.rejects(() => writeFileAtomic(join(file, "below"), "x"), InputError);
    assert.equal(await readFile(file, "utf8"), "one");
    assert.ok((await readdir(root)).every((name) => !name.endsWith(".tmp")));
  });
});

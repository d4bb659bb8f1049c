import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { InputError } from "../../core/errors.js";
import { lockName, RunLock } from "./run-lock.js";

const scratch = await mkdtemp(join(tmpdir(), "softrepa-lock-"));
after(() => rm(scratch, { recursive: true, force: true }));
const module = new URL("./run-lock.js", import.meta.url).href;

/** Runs a script that can use `RunLock` and `folder` in another process; its output, line by line as asked for. */
function other(folder: string, script: string) {
  const whole = `import { RunLock } from ${JSON.stringify(module)};
    const [folder] = process.argv.slice(1);
    const print = (text) => process.stdout.write(text + "\\n");
    ${script}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", whole, folder]);
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += String(chunk);
  });
  const ended = new Promise<string>((resolve) => child.on("close", () => resolve(text)));
  const printed = new Promise<void>((resolve) => child.stdout.once("data", () => resolve()));
  return { child, ended, printed };
}

const hold = `await RunLock.acquire(folder); print("held"); setInterval(() => {}, 1000);`;
const assertLockedBy = (folder: string, who: RegExp) =>
  assert.rejects(
    () => RunLock.acquire(folder),
    (error) => {
      assert.ok(error instanceof InputError);
      assert.match(error.message, who);
      assert.match(
        error.message,
        /is already training in .*: wait for it or choose another `out` \(if .* remove .*run\.lock\)$/,
      );
      return true;
    },
  );

describe("RunLock", () => {
  it("rejects a second lock until it is released, and leaves no files behind", async () => {
    const folder = join(scratch, "a", "run");
    const lock = await RunLock.acquire(folder);
    await assertLockedBy(folder, new RegExp(`^process ${process.pid} on `));
    assert.match(
      await other(folder, `await RunLock.acquire(folder).catch((e) => print(e.message));`).ended,
      /is already training in/,
    );
    await lock.release();
    assert.equal(existsSync(folder), false);
    await mkdir(folder);
    const again = await RunLock.acquire(folder);
    await writeFile(join(folder, "log.jsonl"), "");
    await again.release();
    await again.release();
    assert.deepEqual(await readdir(folder), ["log.jsonl"]);
  });

  it("replaces the stale lock of a killed process", async () => {
    const folder = join(scratch, "killed");
    const { child, ended, printed } = other(folder, hold);
    await printed;
    await assertLockedBy(folder, new RegExp(`^process ${child.pid} on `));
    child.kill("SIGKILL");
    await ended;
    assert.deepEqual(await readdir(folder), [lockName]);
    const lock = await RunLock.acquire(folder);
    assert.equal(JSON.parse(await readFile(join(folder, lockName), "utf8")).pid, process.pid);
    await lock.release();
  });

  it("is released when a process ends without doing so", async () => {
    const folder = join(scratch, "ended");
    await other(folder, `await RunLock.acquire(folder); process.exit(1);`).ended;
    assert.deepEqual(await readdir(folder), []);
  });

  it("is acquired by one of many concurrent processes, also over a stale lock", async () => {
    for (const stale of [false, true]) {
      const folder = join(scratch, `many-${stale}`);
      if (stale) {
        const { child, ended, printed } = other(folder, hold);
        await printed;
        child.kill("SIGKILL");
        await ended;
      }
      const ask = `await RunLock.acquire(folder).then(() => print("held"), () => print("refused"));
        process.stdin.once("data", () => process.exit(0));`;
      const all = Array.from({ length: 4 }, () => other(folder, ask));
      await Promise.all(all.map(({ printed }) => printed));
      for (const { child } of all) child.stdin.write("end\n");
      const answers = (await Promise.all(all.map(({ ended }) => ended))).map((text) => text.trim()).sort();
      assert.deepEqual(answers, ["held", "refused", "refused", "refused"], `stale: ${stale}`);
    }
  });

  it("counts processes of other machines as running, and reused process ids as ended", async () => {
    const folder = join(scratch, "foreign");
    await mkdir(folder);
    const write = (holder: object) => writeFile(join(folder, lockName), JSON.stringify({ mark: "x", ...holder }));
    await write({ pid: 1, host: `not-${hostname()}`, began: "1" });
    await assertLockedBy(folder, /^process 1 on not-/);
    await writeFile(join(folder, lockName), "no lock at all");
    await assertLockedBy(folder, /^another process is already training/);
    // This process did not write it, so an earlier process with the same id did.
    await write({ pid: process.pid, host: hostname(), began: "1" });
    await (await RunLock.acquire(folder)).release();
    if (process.platform !== "linux") return;
    await write({ pid: process.ppid, host: hostname(), began: "1" });
    await (await RunLock.acquire(folder)).release();
    await write({ pid: process.ppid, host: hostname(), began: null });
    await assertLockedBy(folder, new RegExp(`^process ${process.ppid} on `));
  });

  it("rejects a folder that cannot be written", async () => {
    const file = join(scratch, "file");
    await writeFile(file, "");
    await assert.rejects(() => RunLock.acquire(file), InputError);
    await assert.rejects(() => RunLock.acquire(join(file, "run")), InputError);
  });
});

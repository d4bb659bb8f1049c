/**
 * @file The lock of a run folder: `run.lock` names the process that trains in it, and keeps others out. A stale lock of a killed
 * process is detected and replaced.
 */

import { randomBytes } from "node:crypto";
import { readFileSync, unlinkSync } from "node:fs";
import { link, mkdir, readFile, rm, rmdir, unlink, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { z } from "zod";
import { InputError, messageOf } from "../../core/errors.js";
import { ifMissing } from "../../core/missing.js";

export const lockName = "run.lock";

const holderSchema = z.object({
  pid: z.int().positive(),
  host: z.string(),
  /** Start time of the process in the format of the system, since process ids are reused; null if unknown. */
  began: z.string().nullable(),
  /** Distinguishes locks of the same process. */
  mark: z.string(),
});
type Holder = z.infer<typeof holderSchema>;

/** Attempts to acquire a lock that keeps changing, before it counts as held. */
const attempts = 20;
/** Milliseconds to wait while another process replaces a stale lock. */
const retryDelay = 10;
/** Locks that this process holds, by their marks. */
const held = new Map<string, string>();

export class RunLock {
  private constructor(
    private readonly file: string,
    private readonly holder: Holder,
    /** Whether the folder was created for the lock. */
    private readonly made: boolean,
  ) {}

  /**
   * Locks `folder`, and creates it if necessary.
   *
   * @throws InputError if another process, or this one, trains in it
   */
  static async acquire(folder: string): Promise<RunLock> {
    const file = join(folder, lockName);
    const holder = {
      pid: process.pid,
      host: hostname(),
      began: startTimeOf(process.pid),
      mark: randomBytes(8).toString("hex"),
    };
    try {
      const made = (await mkdir(folder, { recursive: true })) !== undefined;
      for (let attempt = 0; attempt < attempts; attempt++) {
        if (await createExclusive(file, JSON.stringify(holder))) {
          if (held.size === 0) process.once("exit", releaseAll);
          held.set(holder.mark, file);
          return new RunLock(file, holder, made);
        }
        const text = await readFile(file, "utf8").catch(ifMissing(undefined));
        // It has just been released.
        if (text === undefined) continue;
        const other = parse(text);
        if (other === undefined || isRunning(other)) throw lockedError(folder, file, other);
        await removeStale(file, text, holder);
      }
    } catch (error) {
      if (error instanceof InputError) throw error;
      throw new InputError(`cannot write into ${folder}: ${messageOf(error)}`, { cause: error });
    }
    throw lockedError(folder, file, undefined);
  }

  /** Releases the lock, and removes the folder if it was created for the lock and is empty. */
  async release(): Promise<void> {
    held.delete(this.holder.mark);
    if (held.size === 0) process.off("exit", releaseAll);
    const text = await readFile(this.file, "utf8").catch(() => "");
    if (parse(text)?.mark === this.holder.mark) await unlink(this.file).catch(() => undefined);
    if (this.made) await rmdir(join(this.file, "..")).catch(() => undefined);
  }
}

/** Creates `file` with its complete text in one operation; false if it exists. */
async function createExclusive(file: string, text: string): Promise<boolean> {
  const temporary = `${file}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    await writeFile(temporary, text, { flag: "wx" });
    await link(temporary, file);
    return true;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EEXIST") return false;
    // The file system has no hard links.
    if (code === "EPERM" || code === "ENOTSUP" || code === "EOPNOTSUPP") return createWithoutLink(file, text);
    throw error;
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

async function createWithoutLink(file: string, text: string): Promise<boolean> {
  return writeFile(file, text, { flag: "wx" }).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "EEXIST") return false;
      throw error;
    },
  );
}

/**
 * Removes the lock if it is still the one that was read. Only the process that holds the gate may do so: otherwise two
 * processes that found the same stale lock could both remove it, the second one after a third process has created a new lock.
 */
async function removeStale(file: string, text: string, holder: Holder): Promise<void> {
  const gate = `${file}.takeover`;
  if (!(await createExclusive(gate, JSON.stringify(holder)))) {
    const other = parse(await readFile(gate, "utf8").catch(() => ""));
    // The holder of the gate was killed.
    if (other !== undefined && other.pid !== process.pid && !isRunning(other)) await rm(gate, { force: true });
    else await setTimeout(retryDelay);
    return;
  }
  try {
    if ((await readFile(file, "utf8").catch(() => undefined)) === text) await rm(file, { force: true });
  } finally {
    await rm(gate, { force: true });
  }
}

function parse(text: string): Holder | undefined {
  try {
    return holderSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Whether the process is running; assumed for processes of other machines. */
function isRunning({ pid, host, began, mark }: Holder): boolean {
  if (host !== hostname()) return true;
  if (pid === process.pid) return held.has(mark);
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: the process of another user, which is running.
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
  }
  const now = startTimeOf(pid);
  return began === null || now === null || began === now;
}

/** Start time of a process, in ticks since boot; null without /proc. */
function startTimeOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may contain spaces; the start time is the 20th field after it.
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}

function lockedError(folder: string, file: string, holder: Holder | undefined): InputError {
  const who = holder === undefined ? "another process" : `process ${holder.pid} on ${holder.host}`;
  return new InputError(
    `${who} is already training in ${folder}: wait for it or choose another \`out\` (if that process no longer exists, remove ${file})`,
  );
}

/** Releases all locks when the process exits without doing so. */
function releaseAll(): void {
  for (const [mark, file] of held) {
    try {
      if (parse(readFileSync(file, "utf8"))?.mark === mark) unlinkSync(file);
    } catch {
      // The lock is gone, or another process will find it stale.
    }
  }
}

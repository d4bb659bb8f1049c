/**
 * @file The lock of a run folder: `run.lock` says which process trains in it, so that no second one does. What a killed process
 * left behind is recognised and taken over.
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
  /** When the process began, in the system's own words: a number may be given out again. Null where the system does not say. */
  began: z.string().nullable(),
  /** Tells locks of one process apart. */
  mark: z.string(),
});
type Holder = z.infer<typeof holderSchema>;

/** Attempts before a lock that comes and goes is taken for held. */
const attempts = 20;
/** Milliseconds until a takeover by another process is looked at again. */
const retryDelay = 10;
/** Locks that this process holds, by their marks. */
const held = new Map<string, string>();

export class RunLock {
  private constructor(
    private readonly file: string,
    private readonly holder: Holder,
    /** Whether the folder was made for the lock. */
    private readonly made: boolean,
  ) {}

  /**
   * Locks `folder`, which is made where it is not there.
   *
   * @throws InputError where another process, or this one, trains in it
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
        // It has just been freed.
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

  /** Frees the folder, and removes it where it was made for the lock and nothing came of it. */
  async release(): Promise<void> {
    held.delete(this.holder.mark);
    if (held.size === 0) process.off("exit", releaseAll);
    const text = await readFile(this.file, "utf8").catch(() => "");
    if (parse(text)?.mark === this.holder.mark) await unlink(this.file).catch(() => undefined);
    if (this.made) await rmdir(join(this.file, "..")).catch(() => undefined);
  }
}

/** Writes `file` with all of its text at once, unless it is there. */
async function createExclusive(file: string, text: string): Promise<boolean> {
  const temporary = `${file}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    await writeFile(temporary, text, { flag: "wx" });
    await link(temporary, file);
    return true;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EEXIST") return false;
    // File systems without links.
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
 * Removes the lock if it is still the one that was read. Only one process at a time may, the one that holds the gate: else two
 * that found the same stale lock could each remove it, the second one the lock that a third has made meanwhile.
 */
async function removeStale(file: string, text: string, holder: Holder): Promise<void> {
  const gate = `${file}.takeover`;
  if (!(await createExclusive(gate, JSON.stringify(holder)))) {
    const other = parse(await readFile(gate, "utf8").catch(() => ""));
    // Killed inside the gate.
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

/** Whether the process is there; one of another machine is taken to be. */
function isRunning({ pid, host, began, mark }: Holder): boolean {
  if (host !== hostname()) return true;
  if (pid === process.pid) return held.has(mark);
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: somebody else's process may not be signalled, but it is there.
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
  }
  const now = startTimeOf(pid);
  return began === null || now === null || began === now;
}

/** When a process began, in ticks since the machine did; null where there is no such file. */
function startTimeOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may hold spaces; the 20th field behind it is the time.
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}

function lockedError(folder: string, file: string, holder: Holder | undefined): InputError {
  const who = holder === undefined ? "another process" : `process ${holder.pid} on ${holder.host}`;
  return new InputError(
    `${who} trains in ${folder} already: wait for it or take another \`out\` (if there is no such process any more, remove ${file})`,
  );
}

/** What ends by itself, but not in order. */
function releaseAll(): void {
  for (const [mark, file] of held) {
    try {
      if (parse(readFileSync(file, "utf8"))?.mark === mark) unlinkSync(file);
    } catch {
      // It is gone, or another process finds it stale.
    }
  }
}

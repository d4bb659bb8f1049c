/** @file Measures memory and threads in a separate process, so that other tests do not affect the result. */

import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";

/** What the child process reports; sizes in MB. */
export interface Measurement {
  /** Peak resident memory during the work, minus the resident memory before it. */
  readonly peak: number;
  /** Anonymous (not file-backed) memory after the work, minus that before it. */
  readonly anonymous: number;
  /** Threads of the process after the work. */
  readonly threads: number;
  /** The result of the work, to compare it between measurements. */
  readonly result: readonly number[];
}

/** Runs the experiment called `name` in a child process (see `child-main.ts`). */
export async function measureInChild(name: string, ...options: readonly string[]): Promise<Measurement> {
  const child = fork(new URL("./child-main.js", import.meta.url), [name, ...options], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const [message] = await Promise.race([
    once(child, "message"),
    once(child, "exit").then(([code]) => {
      throw new Error(`the child process for ${name} exited with code ${code}`);
    }),
  ]);
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return message;
}

/** Reads a field of /proc/self/status: `VmHWM`, `VmRSS` and `RssAnon` in MB, `Threads` as a count. */
function status(key: string): number {
  const match = new RegExp(`^${key}:\\s+(\\d+)( kB)?$`, "m").exec(readFileSync("/proc/self/status", "utf8"));
  if (match === null) throw new Error(`/proc/self/status has no ${key}`);
  return Math.round(Number(match[1]) / (match[2] === undefined ? 1 : 1024));
}

/** Measures `work` in this process. */
export async function measure(work: () => Promise<readonly number[]>): Promise<Measurement> {
  globalThis.gc?.();
  const [resident, anonymous] = [status("VmRSS"), status("RssAnon")];
  const result = await work();
  globalThis.gc?.();
  return {
    peak: status("VmHWM") - resident,
    anonymous: status("RssAnon") - anonymous,
    threads: status("Threads"),
    result,
  };
}

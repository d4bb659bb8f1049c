/**
 * @file `npm run bench -- --soak`: checks that memory does not grow during a long run. Runs `softrepa train` on the demo's pipeline
 * with validation, previews and checkpoints, samples its resident memory, and compares the peaks of the quarters.
 */

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { writeScenes } from "#softrepa/demo/scenes.js";

/** Largest growth of the last quarter's peak over the second quarter's that counts as noise. */
const tolerance = 0.03;
/** Milliseconds between samples. */
const interval = 250;

const eventSchema = z.looseObject({ event: z.string(), step: z.number().optional() });

export interface SoakOptions {
  readonly steps: number;
  readonly batch: number;
  /** Image side in pixels. */
  readonly resolution: number;
}

/** Prints each quarter's peak; returns whether the last is at most 3% above the second. */
export async function soak(options: SoakOptions): Promise<boolean> {
  const { steps, batch, resolution } = options;
  const folder = await mkdtemp(join(tmpdir(), "softrepa-soak-"));
  try {
    await writeScenes(join(folder, "data"), 512, "train", 5);
    const start = performance.now();
    const peaks = await quarterPeaks(trainArguments(folder, options), steps);
    const seconds = (performance.now() - start) / 1000;
    console.log(`${steps} steps of ${batch ** 2} pairs at ${resolution} px on demo/pipeline: ${seconds.toFixed(0)} s`);
    for (const [quarter, peak] of peaks.entries()) {
      console.log(`  quarter ${quarter + 1}: peak resident memory ${peak.toFixed(1)} MB`);
    }
    const ratio = peaks[3] / peaks[1];
    const ok = ratio <= 1 + tolerance;
    console.log(
      `  quarter 4 relative to quarter 2: ${ratio.toFixed(4)} (${ok ? "within" : "above"} ${tolerance * 100}%)`,
    );
    return ok;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function trainArguments(folder: string, { steps, batch, resolution }: SoakOptions): string[] {
  const every = String(Math.max(1, Math.floor(steps / 16)));
  return [
    ...["train", "--model", join("demo", "pipeline"), "--data", join(folder, "data"), "--out", join(folder, "run")],
    ...["--steps", String(steps), "--batch", String(batch), "--seed", "0", "--threads", "1", "--engine", "onnxruntime"],
    ...[
      "--resolution",
      String(resolution),
      "--hold-out",
      "4",
      "--crop",
      "random",
      "--flip",
      "--tensorboard",
      "--save-every",
      every,
    ],
    ...["--sample-prompt", "a red circle above a blue square", "--sample-steps", "4"],
    ...["--log-every", "1", "--json"],
  ];
}

/** Runs the command and samples its resident memory in MB; a sample belongs to the quarter of the last reported step. */
async function quarterPeaks(args: readonly string[], steps: number): Promise<number[]> {
  const main = fileURLToPath(import.meta.resolve("#softrepa/cli/main.js"));
  const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<number | null>((resolve, reject) => child.on("close", resolve).on("error", reject));
  const peaks = [0, 0, 0, 0];
  let step = 0;
  const timer = setInterval(() => {
    const memory = child.pid === undefined ? null : residentMemory(child.pid);
    if (memory === null || step === 0) return;
    const quarter = Math.min(3, Math.floor((4 * (step - 1)) / steps));
    peaks[quarter] = Math.max(peaks[quarter], memory);
  }, interval);
  try {
    for await (const line of createInterface(child.stdout)) {
      const event = eventSchema.parse(JSON.parse(line));
      if (event.event === "step") step = event.step ?? step;
    }
    const code = await ended;
    if (code !== 0) throw new Error(`softrepa train exited with code ${code}`);
    return peaks;
  } finally {
    clearInterval(timer);
    child.kill();
  }
}

/** Current resident memory of a process, in MB; null if the system does not report it or the process has exited. */
export function residentMemory(pid: number | "self"): number | null {
  try {
    const found = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return found ? Number(found[1]) / 1024 : null;
  } catch {
    return null;
  }
}

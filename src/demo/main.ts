#!/usr/bin/env node
/** @file `npm run demo`: the whole path on a tiny bundled pipeline, by the commands that a user would type. */

import { spawnSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { contactSheet, drawPictures } from "./pictures.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const pipeline = join("test", "fixtures", "parity", "sd35", "pipeline");
const out = join("out", "demo");
const program = join("dist", "cli", "main.js");

/** Runs `softrepa ...` from the repository's root, shows it, and stops the demo where it fails. */
function softrepa(...args: string[]): void {
  console.log(`\n$ softrepa ${args.map((arg) => (/[ ,]/.test(arg) ? `"${arg}"` : arg)).join(" ")}`);
  const { status, signal } = spawnSync(process.execPath, [program, ...args], { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? (signal === "SIGINT" ? 130 : 1));
}

process.chdir(root);
await rm(out, { recursive: true, force: true });
const data = join(out, "data");
const captions = await drawPictures(data);
console.log(`${captions.length} pictures with captions in ${data}`);

const text = ["--max-sequence-length", "24"];
const tokens = join(out, "run", "tokens.safetensors");
const measure = ["--timesteps", "4", "--data", data, ...text];
softrepa("score", "--model", pipeline, ...measure);
softrepa(
  ...["train", "--model", pipeline, "--data", data, "--out", join(out, "run"), ...text],
  ...["--layers", "3", "--batch", "6", "--steps", "150", "--lr", "0.02", "--temperature", "1", "--seed", "1"],
);
softrepa("score", "--model", pipeline, "--tokens", tokens, ...measure);

const prompts = ["a red circle", "a blue square", "a green triangle", "a yellow circle"];
const sampling = ["--model", pipeline, ...prompts.flatMap((prompt) => ["--prompt", prompt]), "--seed", "7", ...text];
softrepa("generate", ...sampling, "--steps", "12", "--out", join(out, "base"));
softrepa("generate", ...sampling, "--steps", "12", "--tokens", tokens, "--out", join(out, "tuned"));

const names = prompts.map((_, index) => `image-${String(index + 1).padStart(4, "0")}.png`);
const sheet = join(out, "before-after.png");
await contactSheet(
  sheet,
  ["base", "tuned"].map((folder) => names.map((name) => join(out, folder, name))),
);
console.log(`\nabove without, below with soft tokens, same seed: ${relative(root, sheet)}`);
console.log(
  "The bundled pipeline has random weights: its pictures are noise, and the demo shows the path, not quality.",
);

import assert from "node:assert/strict";
import { test } from "node:test";
import { HumanReporter } from "./human-reporter.js";
import { JsonReporter, jsonLine } from "./json-reporter.js";

/** Streams that record what was written, and a clock that the test sets. */
function recorder(isTTY: boolean, columns = 100) {
  const log: string[] = [];
  const clock = { seconds: 0 };
  const stdout = { write: (text: string) => log.push(`out:${text}`) };
  const stderr = { write: (text: string) => log.push(`err:${text}`), isTTY, columns };
  return { log, clock, streams: { stdout, stderr, now: () => clock.seconds } };
}

test("text: prints results to stdout, warnings to stderr, and events that have a text", () => {
  const { log, streams } = recorder(false);
  const reporter = new HumanReporter(streams);
  reporter.event("image", { seed: 7 });
  reporter.event("image", { seed: 7 }, "out.png (seed 7)");
  reporter.print("two\nlines");
  reporter.warn("cut\nhere");
  reporter.table([
    ["name", "error"],
    ["a.png", 0.5],
  ]);
  assert.deepEqual(log, [
    "out:out.png (seed 7)\n",
    "out:two\nlines\n",
    "err:softrepa: warning: cut here\n",
    "out:name   error\na.png    0.5\n",
  ]);
});

test("control characters and direction overrides are shown in text and escaped in JSON", () => {
  const hostile = "\x1b]0;x\x07 \x9b2J \u202egpj.exe \x7f \r";
  const { log, streams } = recorder(true);
  const reporter = new HumanReporter(streams);
  reporter.event("image", {}, hostile);
  reporter.print(hostile);
  reporter.warn(hostile);
  reporter.table([["name"], [hostile]]);
  reporter.progress(hostile, 0, 2, { file: hostile });
  const lines = log.map((line) => line.replace("\r\x1b[K", ""));
  assert.ok(lines.every((line) => /\\x1b\]0;x\\x07 \\x9b2J \\u202egpj\.exe/.test(line)));
  for (const line of lines) assert.doesNotMatch(line, /(?!\n)[\p{Cc}\u202e]/u);
  const json = jsonLine("image", { prompt: hostile });
  assert.doesNotMatch(json, /[\p{Cc}\u202e]/u);
  assert.equal(JSON.parse(json).prompt, hostile);
});

test("text, terminal: prints a throttled bar with rate and remaining time, and clears it around other output", () => {
  const { log, clock, streams } = recorder(true);
  const reporter = new HumanReporter(streams);
  reporter.progress("train", 0, 10);
  clock.seconds = 0.05;
  reporter.progress("train", 1, 10);
  clock.seconds = 2;
  reporter.progress("train", 5, 10, { loss: 1.23456, file: "a\tb" });
  reporter.print("saved");
  clock.seconds = 4;
  reporter.progress("train", 10, 10);
  reporter.progress("train", 10, 10);
  reporter.print("done");
  const half = "train [==========>         ] 50% 5/10, 2.5 it/s, 2.0 s left, loss 1.235, file a b";
  assert.deepEqual(log, [
    "err:\r\x1b[Ktrain [                    ] 0% 0/10",
    `err:\r\x1b[K${half}`,
    "err:\r\x1b[K",
    "out:saved\n",
    `err:${half}`,
    "err:\r\x1b[Ktrain [====================] 100% 10/10, in 4.0 s",
    "err:\n",
    "out:done\n",
  ]);
});

test("text, terminal: never wraps the bar, and keeps the old bar after a new task or the end", () => {
  const { log, clock, streams } = recorder(true, 40);
  const reporter = new HumanReporter(streams);
  reporter.progress("decode", 1, 3, { file: "a-long-name-of-a-file.png" });
  clock.seconds = 1;
  reporter.progress("encode", 1, 3);
  reporter.close();
  reporter.close();
  assert.deepEqual(log, [
    "err:\r\x1b[Kdecode [======>             ] 33% 1/...",
    "err:\n",
    "err:\r\x1b[Kencode [======>             ] 33% 1/3",
    "err:\n",
  ]);
});

test("text, no terminal: prints plain lines at intervals", () => {
  const { log, clock, streams } = recorder(false);
  const reporter = new HumanReporter(streams);
  for (let step = 0; step <= 25; step++) {
    clock.seconds = step;
    reporter.progress("train", step, 25, { loss: 0.5 });
  }
  assert.deepEqual(log, [
    "err:train 0% 0/25, loss 0.5\n",
    "err:train 40% 10/25, 1 it/s, 15 s left, loss 0.5\n",
    "err:train 80% 20/25, 1 it/s, 5.0 s left, loss 0.5\n",
    "err:train 100% 25/25, in 25 s, loss 0.5\n",
  ]);
});

test("the rate ignores a slow start, and a label that starts again is a new task", () => {
  const { log, clock, streams } = recorder(false);
  const reporter = new HumanReporter(streams);
  reporter.progress("sample", 0, 200);
  for (let step = 1; step <= 100; step++) {
    clock.seconds = 60 + step;
    reporter.progress("sample", step, 200);
  }
  assert.equal(log.at(-1), "err:sample 45% 91/200, 1 it/s, 1 min 49 s left\n");
  reporter.progress("sample", 0, 200);
  assert.equal(log.at(-1), "err:sample 0% 0/200\n");
});

test("JSON: writes events, warnings and progress as one JSON object per line, and no text", () => {
  const { log, clock, streams } = recorder(true);
  const reporter = new JsonReporter(streams);
  reporter.event("image", { seed: 7, file: "a\nb.png" });
  reporter.print();
  reporter.table();
  reporter.warn("cut");
  for (let step = 0; step <= 30; step++) {
    clock.seconds = step / 10;
    reporter.progress("train", step, 30, { loss: step === 30 ? Number.NaN : 0.5 });
  }
  reporter.close();
  assert.deepEqual(log, [
    'out:{"event":"image","seed":7,"file":"a\\nb.png"}\n',
    'out:{"event":"warning","message":"cut"}\n',
    'out:{"event":"progress","label":"train","done":0,"total":30,"loss":0.5}\n',
    'out:{"event":"progress","label":"train","done":10,"total":30,"loss":0.5}\n',
    'out:{"event":"progress","label":"train","done":20,"total":30,"loss":0.5}\n',
    'out:{"event":"progress","label":"train","done":30,"total":30,"loss":"NaN"}\n',
  ]);
});

test("JSON: converts values that JSON does not have", () => {
  const fields = { loss: Number.POSITIVE_INFINITY, row: Float32Array.of(0.5, 1), big: 2n ** 60n, left: undefined };
  assert.equal(jsonLine("x", fields), '{"event":"x","loss":"Infinity","row":[0.5,1],"big":"1152921504606846976"}');
});

/** @file `softrepa data check`: lists what is wrong with a data set. */

import { Command } from "commander";
import { InputError } from "../../core/errors.js";
import { integer, number } from "../../core/option-values.js";
import { shorten } from "../../core/text.js";
import { checkDataSet, type DataCheck, type NoteKind, noteKinds } from "../../data/check.js";
import { type FaultKind, faultKinds } from "../../data/finding.js";
import { maxClipTokens, minClipTokens } from "../../data/min-clip-tokens.js";
import { openTruncation } from "../../families/truncation.js";
import { jsonField, maxSequenceLengthField, optionalModelField } from "../common.js";
import type { CommandContext, CommandRun } from "../context.js";
import { defineCommand, group, option, type ValuesOf } from "../options.js";
import type { Reporter } from "../reporter.js";

function fields() {
  return {
    ...group("Captions", {
      model: optionalModelField("<folder>", "count tokens with the tokenizers of this pipeline"),
      maxSequenceLength: maxSequenceLengthField(),
      similarity: option("--similarity <x>", number(0.3, 1).default(0.8).describe("least similarity to report")),
    }),
    show: option("--show <n>", integer(1).default(10).describe("lines to show of each kind")),
    json: jsonField(),
  };
}

export interface DataCheckOptions extends ValuesOf<ReturnType<typeof fields>> {
  /** The data set: a folder, a shard, or a captions file. */
  readonly path: string;
}

export function dataCommand(run: CommandRun<DataCheckOptions> = runDataCheck): Command {
  const check: Command = defineCommand(
    {
      name: "check",
      description: "list unusable images, truncated captions and near duplicates",
      fields: fields(),
      examples: ["softrepa data check photos", "softrepa data check coco --model sd3-medium --json"],
      // Commander has checked that the argument is given.
      resolve: async (values) => ({ ...values, path: String(check.args[0]) }),
    },
    run,
  ).argument("<path>", "a folder, a shard, or COCO's captions file");
  return new Command("data").description("inspect data sets").addCommand(check);
}

/** Titles in the table. */
const titles: Readonly<Record<FaultKind | NoteKind, string>> = {
  "damaged-file": "damaged file",
  "unreadable-image": "unreadable image",
  "missing-image": "missing image",
  "missing-caption": "missing caption",
  "bad-caption": "unusable caption",
  "over-token-limit": "over the token limit",
  "duplicate-image": "duplicate images",
  "equal-captions": "equal captions",
  "similar-captions": "similar captions",
};

/** @throws InputError if training would reject any part; notes alone are no error */
async function runDataCheck(options: DataCheckOptions, { reporter, signal }: CommandContext): Promise<void> {
  const { path, similarity } = options;
  const check = await checkDataSet(path, {
    describeTruncation: await describeTruncation(options),
    similarity,
    signal,
    onProgress: (done, total) => reporter.progress("images", done, total),
  });
  reportCheck(path, check, reporter);
  if (!reporter.json) printCheck(options, check, reporter);
  const { total } = check.faults;
  if (total > 0) throw new InputError(`${total} ${total === 1 ? "part" : "parts"} of ${path} cannot be used`);
}

function reportCheck(
  path: string,
  { dataSet, images, captions, faults, notes, complete }: DataCheck,
  reporter: Reporter,
): void {
  const { format = null, because = null } = dataSet ?? {};
  reporter.event("data", { path, format, shape: format, because, images, captions });
  for (const fault of faults.kept) reporter.event("fault", { ...fault });
  for (const note of notes) reporter.event("note", { ...note });
  const counts = {
    faults: Object.fromEntries(faultKinds.map((kind) => [kind, faults.count(kind)])),
    notes: Object.fromEntries(noteKinds.map((kind) => [kind, notes.filter((note) => note.kind === kind).length])),
  };
  reporter.event("checked", { ...counts, complete });
}

function printCheck(options: DataCheckOptions, check: DataCheck, reporter: Reporter): void {
  const { dataSet, images, captions, faults, notes, complete } = check;
  if (dataSet !== undefined) {
    reporter.print(`${options.path}: ${dataSet.format} (${dataSet.because}), ${images} images, ${captions} captions`);
  }
  const rows: [string, string][] = [];
  const add = (kind: FaultKind | NoteKind, count: number, lines: readonly string[]) => {
    const shown = lines.slice(0, options.show);
    rows.push(...shown.map((line): [string, string] => [titles[kind], line]));
    if (count > shown.length) rows.push([titles[kind], `... ${count - shown.length} more`]);
  };
  for (const kind of faultKinds) {
    const lines = faults.kept.filter((fault) => fault.kind === kind).map(({ message }) => message);
    add(kind, faults.count(kind), lines);
  }
  for (const kind of noteKinds) {
    const lines = notes
      .filter((note) => note.kind === kind)
      .map(({ where, message }) => `${namesOf(where)}: ${message}`);
    add(kind, lines.length, lines);
  }
  if (rows.length > 0) reporter.table([["problem", "where and what"], ...rows]);
  if (!complete) reporter.print("the search for similar captions is incomplete: there are too many of them");
  if (options.model === undefined) {
    reporter.print(`without --model, only captions that certainly exceed CLIP's ${maxClipTokens} tokens are listed`);
  }
  if (faults.total === 0)
    reporter.print(rows.length === 0 ? "no problems found" : "all images and captions can be used");
}

/** The first ids, and the number of the others. */
function namesOf(where: readonly string[]): string {
  const shown = where.slice(0, 3).join(", ");
  return where.length > 3 ? `${shown} and ${where.length - 3} more` : shown;
}

async function describeTruncation({ model, maxSequenceLength }: DataCheckOptions) {
  const quoted = (caption: string) => `"${shorten(caption, 40)}"`;
  if (model === undefined) {
    return (caption: string): string | undefined => {
      const least = minClipTokens(caption);
      return least <= maxClipTokens
        ? undefined
        : `${quoted(caption)} has at least ${least} CLIP tokens; the limit is ${maxClipTokens}`;
    };
  }
  const truncation = await openTruncation(model, maxSequenceLength);
  return (caption: string): string | undefined => {
    const cuts = truncation(caption);
    if (cuts.length === 0) return undefined;
    const truncated = cuts.map(
      ({ encoder, limit, cut }) => `${encoder} reads ${limit} tokens, truncated: ${quoted(cut)}`,
    );
    return `${quoted(caption)}: ${truncated.join("; ")}`;
  };
}

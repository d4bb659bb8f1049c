/** @file `softrepa data check`: what it does. */

import { InputError } from "../../core/errors.js";
import { shorten } from "../../core/text.js";
import { checkDataSet, type DataCheck, type NoteKind, noteKinds } from "../../data/check.js";
import { clipTokens, leastClipTokens } from "../../data/clip-pieces.js";
import { type FaultKind, faultKinds } from "../../data/finding.js";
import { openTruncation } from "../../families/truncation.js";
import type { DataCheckOptions } from "../commands/data.js";
import type { CommandContext } from "../context.js";
import type { Reporter } from "../reporter.js";

/** Headings for people. */
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

/** Ends with an error where something would be refused; notes alone are no error. */
export async function runDataCheck(options: DataCheckOptions, { reporter, signal }: CommandContext): Promise<void> {
  const { path, similarity, show } = options;
  const check = await checkDataSet(path, {
    cutOff: await cutOffWords(options),
    similarity,
    signal,
    onProgress: (done, total) => reporter.progress("images", done, total),
  });
  tellEvents(path, check, reporter);
  if (!reporter.json) tellPeople(options, check, show, reporter);
  const { total } = check.faults;
  if (total > 0) throw new InputError(`${total} ${total === 1 ? "part" : "parts"} of ${path} cannot be used`);
}

function tellEvents(
  path: string,
  { dataSet, images, captions, faults, notes, complete }: DataCheck,
  reporter: Reporter,
): void {
  const { shape = null, because = null } = dataSet ?? {};
  reporter.event("data", { path, shape, because, images, captions });
  for (const fault of faults.kept) reporter.event("fault", { ...fault });
  for (const note of notes) reporter.event("note", { ...note });
  const counts = {
    faults: Object.fromEntries(faultKinds.map((kind) => [kind, faults.count(kind)])),
    notes: Object.fromEntries(noteKinds.map((kind) => [kind, notes.filter((note) => note.kind === kind).length])),
  };
  reporter.event("checked", { ...counts, complete });
}

function tellPeople(options: DataCheckOptions, check: DataCheck, show: number, reporter: Reporter): void {
  const { dataSet, images, captions, faults, notes, complete } = check;
  if (dataSet !== undefined) {
    reporter.print(`${options.path}: ${dataSet.shape} (${dataSet.because}), ${images} images, ${captions} captions`);
  }
  const rows: [string, string][] = [];
  const add = (kind: FaultKind | NoteKind, count: number, lines: readonly string[]) => {
    const shown = lines.slice(0, show);
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
  if (!complete) reporter.print("not all similar captions were sought: there are too many of them");
  if (options.model === undefined) {
    reporter.print(`tokens: without --model only captions that are certainly over CLIP's ${clipTokens} are told`);
  }
  if (faults.total === 0) reporter.print(rows.length === 0 ? "all is fine" : "all can be used");
}

/** Some ids, for people. */
function namesOf(where: readonly string[]): string {
  const shown = where.slice(0, 3).join(", ");
  return where.length > 3 ? `${shown} and ${where.length - 3} more` : shown;
}

async function cutOffWords({ model, maxSequenceLength }: DataCheckOptions) {
  const quoted = (caption: string) => `"${shorten(caption, 40)}"`;
  if (model === undefined) {
    return (caption: string): string | undefined => {
      const least = leastClipTokens(caption);
      return least <= clipTokens
        ? undefined
        : `${quoted(caption)} has at least ${least} CLIP tokens, ${clipTokens} are read`;
    };
  }
  const truncation = await openTruncation(model, maxSequenceLength);
  return (caption: string): string | undefined => {
    const cuts = truncation(caption);
    if (cuts.length === 0) return undefined;
    const words = cuts.map(({ encoder, limit, cut }) => `${encoder} reads ${limit} tokens, cut off: ${quoted(cut)}`);
    return `${quoted(caption)}: ${words.join("; ")}`;
  };
}

/** @file Checks a data set before training: parts that cannot be used, and notes on its quality. */

import { createHash } from "node:crypto";
import { InputError } from "../core/errors.js";
import { at } from "../core/lists.js";
import type { CaptionedImage } from "./captioned-image.js";
import { type DataSet, openDataSet } from "./data-set.js";
import { decodeAll } from "./decode-all.js";
import { Faults } from "./finding.js";
import { nearDuplicates } from "./near-duplicates.js";

/** Problems that do not prevent using a data set, but reduce its quality. */
export const noteKinds = ["over-token-limit", "duplicate-image", "equal-captions", "similar-captions"] as const;
export type NoteKind = (typeof noteKinds)[number];

export interface Note {
  readonly kind: NoteKind;
  /** Ids of the affected images. */
  readonly where: readonly string[];
  /** One line. */
  readonly message: string;
}

export interface DataCheck {
  /** Undefined if nothing of the data set can be used. */
  readonly dataSet: Pick<DataSet, "format" | "because"> | undefined;
  /** Images and captions that can be used. */
  readonly images: number;
  readonly captions: number;
  /** Parts that cannot be used. */
  readonly faults: Faults;
  readonly notes: readonly Note[];
  /** False if there were too many captions to compare all. */
  readonly complete: boolean;
}

export interface CheckOptions {
  /** Describes how text encoders truncate a caption; undefined if they read all of it. */
  readonly describeTruncation: (caption: string) => string | undefined;
  /** Minimum similarity (`nearDuplicates`) of reported captions; 1 reports only equal ones. */
  readonly similarity: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Captions of a group, and characters of each, that a message shows. */
const shownCaptions = 4;
const shownLength = 200;

/** Opens the data set, decodes every image and compares all captions. Throws only an InterruptedError. */
export async function checkDataSet(path: string, options: CheckOptions): Promise<DataCheck> {
  const faults = new Faults();
  let dataSet: DataSet;
  try {
    dataSet = await openDataSet(path, faults.add);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    // If faults of parts left nothing to use, they are already reported.
    if (faults.total === 0) faults.add({ kind: "damaged-file", where: path, message: error.message });
    return { dataSet: undefined, images: 0, captions: 0, faults, notes: [], complete: true };
  }
  const { signal, onProgress, describeTruncation, similarity } = options;
  const duplicates = new Groups();
  const hooks = { ...(signal && { signal }), ...(onProgress && { onProgress }) };
  const items = await decodeAll(dataSet.items, faults.add, {
    ...hooks,
    onImage: ({ id }, bytes) => duplicates.add(createHash("sha256").update(bytes).digest("base64"), id),
  });
  const { notes, complete } = captionNotes(items, similarity);
  return {
    dataSet,
    images: items.length,
    captions: items.reduce((sum, { captions }) => sum + captions.length, 0),
    faults,
    notes: [
      ...tooLong(items, describeTruncation),
      ...duplicates.notes("duplicate-image", () => "the same image"),
      ...notes,
    ],
    complete,
  };
}

function tooLong(items: readonly CaptionedImage[], describeTruncation: CheckOptions["describeTruncation"]): Note[] {
  return items.flatMap(({ id, captions }) =>
    captions.flatMap((caption): Note[] => {
      const truncation = describeTruncation(caption);
      return truncation === undefined ? [] : [{ kind: "over-token-limit", where: [id], message: truncation }];
    }),
  );
}

/** Notes on equal and similar captions of different images. Variants of one image may be similar. */
function captionNotes(items: readonly CaptionedImage[], similarity: number) {
  const owners = new Groups();
  for (const { id, captions } of items) for (const caption of captions) owners.add(caption, id);
  const texts = owners.keys();
  const { groups, complete } = nearDuplicates(texts, similarity);
  const similar = groups.flatMap((group): Note[] => {
    const where = new Set(group.flatMap((index) => owners.of(at(texts, index))));
    if (where.size < 2) return [];
    const shown = group.slice(0, shownCaptions).map((index) => JSON.stringify(at(texts, index).slice(0, shownLength)));
    const rest = group.length > shownCaptions ? [`${group.length - shownCaptions} more`] : [];
    return [{ kind: "similar-captions", where: [...where], message: [...shown, ...rest].join(", ") }];
  });
  return {
    notes: [...owners.notes("equal-captions", (caption) => JSON.stringify(caption.slice(0, shownLength))), ...similar],
    complete,
  };
}

/** Image ids grouped by a key. */
class Groups {
  private readonly groups = new Map<string, string[]>();

  add(key: string, id: string): void {
    const group = this.groups.get(key);
    if (group) group.push(id);
    else this.groups.set(key, [id]);
  }

  keys(): string[] {
    return [...this.groups.keys()];
  }

  of(key: string): readonly string[] {
    return this.groups.get(key) ?? [];
  }

  /** One note per group of two or more, the largest first. */
  notes(kind: NoteKind, message: (key: string) => string): Note[] {
    const shared = [...this.groups].filter(([, ids]) => ids.length > 1).sort(([, a], [, b]) => b.length - a.length);
    return shared.map(([key, where]) => ({ kind, where, message: message(key) }));
  }
}

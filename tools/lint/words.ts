/** @file Wordings that are not used here any more, with what is said instead, in code and prose alike. */

import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { root } from "./sources.js";

interface Word {
  readonly old: RegExp;
  readonly instead: string;
  /** Files that must keep it, since it is data there. */
  readonly except?: RegExp;
}

const words: readonly Word[] = [
  { old: /foretell|foretold/i, instead: "estimate" },
  { old: /\bmend(s|ed|ing)?\b|\bmend[A-Z]/i, instead: "fix" },
  { old: /\bwish(es)?\b|[a-z]Wishes\b/i, instead: "constraint, option" },
  { old: /\bjudged?\b|\bjudges\b|Judged/i, instead: "evaluate" },
  { old: /\bwears?\b/i, instead: "has" },
  { old: /\bminds?\b/i, instead: "depends on" },
  { old: /\bglances?\b|Glance/, instead: "probe" },
  { old: /\btold of\b/i, instead: "reported" },
  { old: /number that is none/i, instead: "non-finite number" },
  {
    old: /[a-z](?<!\bin)An?(Run|Pair|Step|Node|Row|Batch|Level|Pixel|Image|Token|Comparison)[A-Za-z]*\b/,
    instead: "...Per...",
    except: /cli\/handlers\/train\/(print-estimate|plan\.slow\.test)\.ts$/,
  },
  { old: /pictures?/i, instead: "image", except: /\/words\.ts$|earlier-scores(\.test)?\.ts$|cases\/expectations\.ts$/ },
  { old: /turnedKernel|turnedImages|turned (kernel|image)/i, instead: "flipped" },
  { old: /sumOfPatches|sum of patches/i, instead: "col2im" },
  { old: /kernelGradientByPatches/, instead: "kernelGradientIm2col" },
  { old: /takeAnglesOut/, instead: "hoistTrigonometry" },
  // Old field names of JSON events stay beside the new ones.
  { old: /passedOver/, instead: "rejected", except: /cli\/handlers\/session\.ts$/ },
  { old: /withoutUnread/, instead: "withoutUnusedKeys" },
];

/** Folders and files whose wording is older. An entry without old words is a fault, so that this only shrinks. */
export const pending: readonly string[] = ["docs", "tools/pretrain"];

export interface Text {
  /** From the root, with slashes. */
  readonly path: string;
  readonly text: string;
}

/** Code, scripts and documents; recorded data and this list are none of them. */
export function texts(): readonly Text[] {
  const inside = ["src", "tools", "docs", "scripts"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) =>
      posix.join(folder, name.replaceAll("\\", "/")),
    ),
  );
  return [...inside, ...readdirSync(root)]
    .filter((path) => /\.(ts|mjs|md|py)$/.test(path) && !path.startsWith("tools/lint/words"))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
}

/** A line for each old word outside of what is pending, and for each pending entry without any. */
export function oldWords(all: readonly Text[], allowed: readonly string[] = pending): readonly string[] {
  const faults: string[] = [];
  const used = new Set<string>();
  for (const { path, text } of all) {
    const known = allowed.find((entry) => path === entry || path.startsWith(`${entry}/`));
    for (const { old, instead, except } of words) {
      if (except?.test(path) || !old.test(text)) continue;
      if (known !== undefined) used.add(known);
      else {
        for (const [index, line] of text.split("\n").entries()) {
          const found = old.exec(line);
          if (found) faults.push(`${path}:${index + 1}: "${found[0]}" (${instead})`);
        }
      }
    }
  }
  const unneeded = allowed.filter((entry) => !used.has(entry));
  return [...faults, ...unneeded.map((entry) => `${entry} has no old words; remove it from tools/lint/words.ts`)];
}

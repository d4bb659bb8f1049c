/** @file How the report came about: settings, and what the work cost. */

import { type Content, html, type Markup } from "./markup.js";
import type { ReportCost, ReportSettings } from "./schema.js";

export function settingsSection(settings: ReportSettings): Markup {
  const { model, tokens, guidanceScale, steps, seeds, version, commandLine, further = [] } = settings;
  const entries: [string, Content | undefined][] = [
    ["Model", model],
    ["Soft tokens", tokens],
    ["Guidance scale", guidanceScale],
    ["Sampling steps", steps],
    ["Seeds", seeds && seeds.length > 0 ? formatSeeds(seeds) : undefined],
    ...further.map(({ name, value }): [string, Content] => [name, value]),
    ["softrepa", version],
    ["Command", commandLine === undefined ? undefined : html`<code>${commandLine}</code>`],
  ];
  return html`<dl>${entries.map(([name, value]) => value !== undefined && html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

export function costSection({ phases, peakMemoryBytes, processor, threads }: ReportCost): Markup {
  const total = phases.reduce((sum, { seconds }) => sum + seconds, 0);
  const longest = Math.max(...phases.map(({ seconds }) => seconds)) || 1;
  const rows = phases.map(({ name, seconds }) => {
    const width = Math.max(1, Math.round((120 * seconds) / longest));
    return html`<tr><th scope="row">${name}</th><td class="n">${formatSeconds(seconds)}</td><td class="n">${share(seconds, total)}</td><td><svg class="bar" width="120" height="10" viewBox="0 0 120 10" aria-hidden="true"><rect class="amount" width="${width}" height="10"/></svg></td></tr>`;
  });
  const sum = html`<tr class="whole"><th scope="row">Together</th><td class="n">${formatSeconds(total)}</td><td></td><td></td></tr>`;
  const facts: [string, string | undefined][] = [
    ["Peak memory", peakMemoryBytes === undefined ? undefined : formatBytes(peakMemoryBytes)],
    ["Processor", processor],
    ["Threads", threads === undefined ? undefined : String(threads)],
  ];
  const table =
    phases.length > 0 &&
    html`<div class="scroll"><table class="plain"><thead><tr><th scope="col">Phase</th><th scope="col" class="n">Time</th><th scope="col" class="n">Share</th><th scope="col"><span class="unseen">Share as a bar</span></th></tr></thead><tbody>${rows}${phases.length > 1 && sum}</tbody></table></div>`;
  const listed = facts.map(([name, value]) => value !== undefined && html`<dt>${name}</dt><dd>${value}</dd>`);
  return html`${table}${listed.some(Boolean) && html`<dl>${listed}</dl>`}`;
}

/** "7, 100 to 163 (65 seeds)": runs of neighbours as ranges. */
export function formatSeeds(seeds: readonly number[]): string {
  const sorted = [...new Set(seeds)].sort((a, b) => a - b);
  const ranges: [number, number][] = [];
  for (const seed of sorted) {
    const last = ranges.at(-1);
    if (last !== undefined && seed === last[1] + 1) last[1] = seed;
    else ranges.push([seed, seed]);
  }
  const shown = ranges.slice(0, 12).map(([from, to]) => {
    if (from === to) return String(from);
    return to === from + 1 ? `${from}, ${to}` : `${from} to ${to}`;
  });
  const more = ranges.length > 12 ? ", \u2026" : "";
  return `${shown.join(", ")}${more}${sorted.length > 2 ? ` (${sorted.length} seeds)` : ""}`;
}

/** "0.42 s", "59.1 s", "3 min 05 s", "2 h 07 min". */
export function formatSeconds(seconds: number): string {
  if (seconds < 59.95) return `${seconds.toFixed(seconds < 9.995 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  const two = (value: number) => String(value).padStart(2, "0");
  return minutes < 60
    ? `${minutes} min ${two(whole % 60)} s`
    : `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

/** "694 MB", "2.2 GB", in powers of ten. */
function formatBytes(bytes: number): string {
  return bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

function share(part: number, whole: number): string {
  return whole > 0 ? `${((100 * part) / whole).toFixed(1)}%` : "\u2013";
}

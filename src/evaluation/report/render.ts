/** @file report.html: one file that loads nothing, for a screen, a phone or paper. */

import { checkpointsSection, curvesSection } from "./curves-section.js";
import { galleryScript } from "./gallery-script.js";
import { gallerySection } from "./gallery-section.js";
import { informationSection } from "./information-section.js";
import { html, Markup } from "./markup.js";
import { renderPage } from "./page.js";
import { resultsSection } from "./results-section.js";
import type { Report } from "./schema.js";
import { costSection, settingsSection } from "./settings-section.js";
import { similaritySection } from "./similarity-section.js";

interface Section {
  readonly id: string;
  readonly title: string;
  readonly body: Markup;
}

/** The whole page; sections that the report lacks are left out. */
export function renderReport(report: Report): string {
  const sections = sectionsOf(report);
  const { title, created, headline, settings } = report;
  const made = [formatInstant(created), ...(settings?.version ? [`softrepa ${settings.version}`] : [])].join(
    " \u00b7 ",
  );
  const links = sections.map(({ id, title }) => html`<a href="#${id}">${title}</a> `);
  const bodies = sections.map(({ id, title, body }) => html`<section id="${id}"><h2>${title}</h2>${body}</section>\n`);
  const script = report.gallery === undefined ? null : galleryScript;
  const header = html`<h1><bdi>${title}</bdi></h1>${headline !== undefined && html`<p class="headline">${headline}</p>`}<p class="made">${made}</p>${sections.length > 1 && html`<nav aria-label="Sections">${links}</nav>`}`;
  return renderPage({ title, header, body: html`${bodies}`, script });
}

function sectionsOf(report: Report): Section[] {
  const { settings, cost, curves, checkpoints, similarity, information, gallery, notes } = report;
  const paragraphs = notes?.map((note) => html`<p>${note}</p>`);
  const candidates: readonly [id: string, title: string, body: Markup | null | undefined][] = [
    ["results", "Results", resultsSection(report)],
    ["checkpoints", "By training step", checkpoints && checkpointsSection(checkpoints)],
    ["training", "Training", curves && curves.length > 0 ? curvesSection(curves) : null],
    ["similarity", "Images and captions", similarity && similaritySection(similarity)],
    ["information", "Mutual information", information && informationSection(information)],
    ["settings", "Settings", settings && settingsSection(settings)],
    ["cost", "Cost", cost && costSection(cost)],
    ["notes", "Notes", paragraphs && paragraphs.length > 0 ? html`${paragraphs}` : null],
    // Last, since it is long.
    ["gallery", "Images", gallery && gallerySection(gallery)],
  ];
  return candidates.flatMap(([id, title, body]) => (body instanceof Markup ? [{ id, title, body }] : []));
}

/** "2026-11-23 08:35 UTC". */
function formatInstant(iso: string): string {
  return `${new Date(iso).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

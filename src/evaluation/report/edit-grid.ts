/** @file A sheet of one image edited with several settings, each cell with its scores; one file that loads nothing. */

import { at } from "../../core/lists.js";
import { pngThumbnail } from "../../data/thumbnail.js";
import { image } from "./gallery-section.js";
import { html, type Markup } from "./markup.js";
import { renderPage } from "./page.js";
import { numberWriter, typeset } from "./score-format.js";

export interface GridCell {
  readonly title: string;
  readonly file: string;
  /** Pointwise mutual information with the target prompt, in nats. */
  readonly match: number;
  /** To the source, in dB. */
  readonly psnr: number;
}

export interface EditGrid {
  readonly title: string;
  readonly method: string;
  readonly seed: number;
  /** File of the source image. */
  readonly source: string;
  readonly rows: { readonly name: string; readonly values: readonly (number | string)[] };
  /** Undefined for a grid of one option. */
  readonly columns: { readonly name: string; readonly values: readonly (number | string)[] } | undefined;
  /** Row by row. */
  readonly cells: readonly GridCell[];
}

const thumbnailSide = 256;

export async function renderEditGrid({ title, method, seed, source, rows, columns, cells }: EditGrid): Promise<string> {
  const thumbnail = async (file: string, alt: string): Promise<Markup> =>
    image(Buffer.from(await pngThumbnail(file, thumbnailSide)).toString("base64"), alt);
  const images = new Map<GridCell, Markup>();
  for (const cell of cells) images.set(cell, await thumbnail(cell.file, cell.title));
  const write = numberWriter(Math.max(...cells.map(({ match }) => Math.abs(match))));
  const width = columns?.values.length ?? 1;
  const heads = columns?.values.map((value) => html`<th scope="col">${columns.name} ${value}</th>`);
  const lines = rows.values.map((value, row) => {
    const own = Array.from({ length: width }, (_, column) => at(cells, row * width + column));
    return html`<tr><th scope="row">${rows.name} ${value}</th>${own.map(
      (cell) =>
        html`<td>${images.get(cell) ?? null}<small>match ${typeset(write(cell.match))} nats, PSNR ${cell.psnr.toFixed(1)} dB</small></td>`,
    )}</tr>`;
  });
  return renderPage({
    title,
    header: html`<h1><bdi>${title}</bdi></h1><p class="made">${method}, seed ${seed}</p>`,
    body: html`<section id="source"><h2>Source</h2>${await thumbnail(source, "source")}</section>
<section id="grid"><h2>Edits</h2><p class="aside">The match is the pointwise mutual information of image and target prompt under the model without tokens, estimated on the same noise for all cells; the PSNR is to the source, at most 60 dB.</p><div class="scroll"><table>${heads !== undefined && html`<thead><tr><td></td>${heads}</tr></thead>`}<tbody>${lines}</tbody></table></div></section>
`,
    script: null,
  });
}

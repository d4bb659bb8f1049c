/** @file Images x captions before and after, as heat maps of one colour scale with ranks and leads beneath. */

import type { RankShare } from "../retrieval.js";
import { wilson } from "../statistics.js";
import { exactDomainOf } from "./axis.js";
import { colourBar, heatMap, mostNames } from "./heat-map.js";
import { html, type Markup } from "./markup.js";
import type { Similarity } from "./schema.js";
import { ownCaptions, rank1Shares } from "./similarity.js";

export function similaritySection(similarity: Similarity): Markup {
  const { measure, better, captions, images, own, matrices } = similarity;
  const scale = exactDomainOf(matrices.flatMap(({ values }) => values.flat()));
  const known = own.some((list) => list.length > 0);
  const figures = matrices.map(({ name, values }) => {
    const best = values.map((row) => row.reduce((a, b) => (better === "higher" ? Math.max(a, b) : Math.min(a, b))));
    const map = heatMap({
      description: `${measure} of ${images.length} images (rows) under ${captions.length} captions (columns), ${name}`,
      rows: images,
      columns: captions,
      values,
      scale,
      outlined: (row, column) => own[row].includes(column),
      dotted: (row, column) => values[row][column] === best[row],
    });
    const shares = rank1Shares(values, similarity);
    const told = ownCaptions(values, similarity);
    const lead =
      told && html`<li>mean under own captions: ${told.own.toFixed(4)}, others worse by ${told.lead.toFixed(4)}</li>`;
    const figures =
      known &&
      html`<ul class="ranks"><li>own caption first: ${shareText(shares.rows, "image")}</li><li>own image first: ${shareText(shares.columns, "caption")}</li>${lead}</ul>`;
    return html`<figure><figcaption><b><bdi>${name}</bdi></b></figcaption><div class="scroll">${map}</div>${figures}</figure>`;
  });
  const marks = `A dot is the best caption of the image${known ? ", a frame its own caption" : ""}.`;
  const list = (what: string, labels: readonly string[]) =>
    html`<details><summary>${what} by number</summary><ol class="captions">${labels.map((label) => html`<li><bdi>${label}</bdi></li>`)}</ol></details>`;
  const numbered = Math.max(images.length, captions.length) > mostNames;
  const lists = numbered && [list("Captions", captions), list("Images", images)];
  return html`<p class="aside">Rows are images, columns captions; ${better} is better. ${marks}</p><div class="charts wide">${figures}</div>${colourBar(scale, measure)}${lists}`;
}

function shareText({ right, of }: RankShare, one: string): string {
  const interval = wilson(right, of);
  if (interval === null) return `not known of any ${one}`;
  const [share, low, high] = [right / of, interval.low, interval.high].map((value) => (100 * value).toFixed(1));
  return `${right} of ${of} ${of === 1 ? one : `${one}s`}, ${share}% (${low} to ${high})`;
}

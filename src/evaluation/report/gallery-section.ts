/** @file Images of the same prompt and seed side by side, with verdict and reason; nothing that failed is left out. */

import { type Outcome, outcomes, type RankedItem, rankItems } from "./gallery-order.js";
import { html, type Markup } from "./markup.js";
import { pngSize } from "./png-size.js";
import type { Gallery } from "./schema.js";
import { counted, numberWriter } from "./score-format.js";

/** Images up to this size are enlarged to it by whole numbers, their pixels kept; larger ones are shown no larger than the second. */
const smallSide = 128;
const largeSide = 256;

/** Works without its script: the controls are hidden until it runs. */
export function gallerySection(gallery: Gallery): Markup {
  const ranked = rankItems(gallery);
  const categories = [...new Set(gallery.items.map(({ category }) => category))];
  const found = outcomes.filter((outcome) => ranked.some((item) => item.outcome === outcome));
  const tally = found.map((outcome) => `${ranked.filter((item) => item.outcome === outcome).length} ${outcome}`);
  const options = (names: readonly string[]) => names.map((name) => html`<option value="${name}">${name}</option>`);
  const controls = html`<form id="gallery-controls" hidden><label>Category <select id="gallery-category"><option value="">all</option>${options(categories)}</select></label> <label>Outcome <select id="gallery-outcome"><option value="">all</option>${options(found)}</select></label> <label>Order <select id="gallery-order"><option value="place">gains, losses, others</option><option value="loss">largest loss first</option></select></label> <output id="gallery-shown"></output></form>`;
  const write = scoreWriter(gallery);
  const sources = gallery.items.some(({ source }) => source !== undefined);
  const large =
    gallery.variants.length + (sources ? 1 : 0) > 2 || gallery.items.some(({ images }) => images.some(isLarge));
  const single = gallery.variants.length === 1;
  const places = new Map(ranked.map(({ item }, place) => [item, place]));
  return html`<p class="aside">${counted(ranked.length, single ? "image" : "pair")}: ${tally.join(", ")}. Chosen: ${gallery.chosen}. ${single ? "" : "First the largest gains, then the largest losses, then the others."}</p>${controls}<div id="gallery-cards" class="${large ? "cards large" : "cards"}">${ranked.map(
    (item) => card(item, gallery, write, places.get(item.item) ?? 0),
  )}</div>`;
}

function card(
  { item, outcome, gain }: RankedItem,
  { variants, metric }: Gallery,
  write: (score: number) => string,
  place: number,
): Markup {
  const images = item.images.map(({ score, reason, png }, index) => {
    const verdict =
      score === null
        ? html`<span>not scored</span>`
        : metric.kind === "number"
          ? html`<span>${write(score)}</span>`
          : (score === 1) === (metric.better === "higher")
            ? html`<span class="better">right</span>`
            : html`<span class="worse">wrong</span>`;
    const alt = `${variants[index]}: ${item.prompt}`;
    return html`<figure>${image(png, alt)}<figcaption><b><bdi>${variants[index]}</bdi></b> ${verdict}${reason !== "" && html`<small><bdi>${reason}</bdi></small>`}</figcaption></figure>`;
  });
  const source =
    item.source !== undefined &&
    html`<figure>${image(item.source, `source of ${item.prompt}`)}<figcaption><b>source</b></figcaption></figure>`;
  return html`<article data-category="${item.category}" data-outcome="${outcome}" data-gain="${gain}" data-place="${place}"><h4><bdi>${item.prompt}</bdi></h4><p class="facts"><span class="${toneOf(outcome)}">${outcome}</span> <bdi>${item.category}</bdi> <span>seed ${item.seed}</span></p><div class="images">${source}${images}</div></article>`;
}

function isLarge({ png }: { readonly png: string }): boolean {
  const { width, height } = pngSize(png) ?? { width: 0, height: 0 };
  return Math.max(width, height) > smallSide;
}

/** An image of the page, small ones enlarged by whole numbers. */
export function image(png: string, alt: string): Markup {
  const size = pngSize(png) ?? { width: smallSide, height: smallSide };
  const longest = Math.max(size.width, size.height);
  const enlarge = Math.floor(smallSide / longest);
  const scale = enlarge >= 1 ? enlarge : Math.min(1, largeSide / longest);
  const [width, height] = [size.width, size.height].map((side) => Math.max(1, Math.round(side * scale)));
  return html`<img class="${enlarge >= 1 ? "pixelated" : "smooth"}" width="${width}" height="${height}" alt="${alt}" src="data:image/png;base64,${png}">`;
}

function toneOf(outcome: Outcome): "better" | "worse" | "within-noise" {
  switch (outcome) {
    case "gained":
    case "better":
      return "better";
    case "lost":
    case "worse":
      return "worse";
    case "wrong in both":
    case "right in both":
    case "equal":
    case "scored":
    case "not scored":
      return "within-noise";
  }
}

function scoreWriter({ items }: Gallery): (score: number) => string {
  const sizes = items.flatMap(({ images }) => images.map(({ score }) => Math.abs(score ?? 0)));
  return numberWriter(sizes.reduce((a, b) => Math.max(a, b), 0));
}

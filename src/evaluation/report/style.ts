/**
 * @file The page's style. Colours are of Okabe and Ito's palette (2008), which colour-blind eyes tell apart; where a colour means something, a word
 * stands beside it.
 */

export const style = `
:root {
  color-scheme: light dark;
  --paper: #fff; --ink: #1c1f23; --muted: #5c646e; --line: #dfe3e8; --panel: #f6f7f9;
  --better: #00629b; --worse: #b34a00; --noise: #5c646e;
  --tone-0: #7a828c; --tone-1: #0072b2; --tone-2: #d55e00; --tone-3: #009e73; --tone-4: #b8578f; --tone-5: #8a6d00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --ink: #e6e8eb; --muted: #9aa3ad; --line: #2d3339; --panel: #1c2024;
    --better: #6cc0f0; --worse: #f2a24a; --noise: #9aa3ad;
    --tone-0: #9aa3ad; --tone-1: #56b4e9; --tone-2: #f08a3c; --tone-3: #2fc79b; --tone-4: #dd93bd; --tone-5: #e0c040;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 3rem 1.5rem 5rem; max-width: 70rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
h1, h2, h3, h4 { line-height: 1.25; font-weight: 600; text-wrap: balance; overflow-wrap: anywhere; }
h1 { margin: 0 0 1rem; font-size: 1.05rem; color: var(--muted); }
h2 { margin: 0 0 1rem; font-size: 1.35rem; }
h3 { margin: 1.75rem 0 .6rem; font-size: 1.05rem; }
h2 + h3 { margin-top: 0; }
p { margin: 0 0 .8rem; max-width: 46rem; overflow-wrap: anywhere; }
a { color: var(--better); text-underline-offset: .15em; }
small { color: var(--muted); font-size: .8125rem; font-weight: 400; }
code { font: .875rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; white-space: pre-wrap; }
.headline { margin: 0 0 1rem; max-width: 48rem; font-size: 1.4rem; line-height: 1.4; text-wrap: pretty; }
.made, .aside { color: var(--muted); font-size: .9rem; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin-top: 1.25rem; font-size: .9rem; }
section { margin-top: 2.5rem; padding-top: 2rem; border-top: 1px solid var(--line); }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; line-height: 1.35; }
th, td { padding: .5rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { padding-left: .5rem; }
th:last-child, td:last-child { padding-right: .5rem; }
thead th { vertical-align: bottom; font-weight: 600; color: var(--muted); font-size: .8125rem; border-bottom-color: var(--muted); }
tbody th { font-weight: 400; }
.n { text-align: right; white-space: nowrap; }
td small, tbody th small { display: block; }
td.n .bar { display: block; margin: .2rem 0 .1rem auto; }
table.results { width: 100%; }
.results thead th, .results td.n, .results tbody th { min-width: 4rem; }
.results tbody th { min-width: 7rem; max-width: 12rem; overflow-wrap: anywhere; }
tr.whole th, tr.whole td { font-weight: 600; background: var(--panel); }
tr.group > * { padding-top: 1.8rem; font-weight: 600; color: var(--muted); font-size: .8125rem; border-bottom-color: var(--muted); }
.finding { min-width: 9rem; max-width: 13rem; }
.better { color: var(--better); font-weight: 600; }
.worse { color: var(--worse); font-weight: 600; }
.within-noise { color: var(--noise); }
details { margin-top: .9rem; font-size: .9rem; }
summary { cursor: pointer; color: var(--muted); }
details p { margin-top: .6rem; }
.not-run { margin: 0; padding-left: 1.1rem; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .35rem 1.5rem; margin: 0; font-size: .9rem; }
dt { color: var(--muted); }
dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.scroll + dl { margin-top: 1.2rem; }

svg text { fill: var(--muted); font: 11.5px system-ui, sans-serif; font-variant-numeric: tabular-nums; }
.tone-0 { --tone: var(--tone-0); } .tone-1 { --tone: var(--tone-1); } .tone-2 { --tone: var(--tone-2); }
.tone-3 { --tone: var(--tone-3); } .tone-4 { --tone: var(--tone-4); } .tone-5 { --tone: var(--tone-5); }
.bar .better { --tone: var(--better); } .bar .worse { --tone: var(--worse); } .bar .within-noise { --tone: var(--noise); }
.track { stroke: var(--line); stroke-width: 1; }
.mark { stroke: var(--muted); stroke-width: 1; }
.interval { stroke: var(--tone); stroke-width: 3; stroke-opacity: .45; }
.dot { fill: var(--tone); }
.amount { fill: var(--tone-0); }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); gap: 1.5rem 2rem; }
.charts.wide { grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); }
.charts:not(.wide) figure { max-width: 26rem; }
.scroll + .charts { margin-top: 1.5rem; }
figure { margin: 0; min-width: 0; }
figcaption { margin-bottom: .35rem; font-size: .9rem; }
figcaption small { display: block; }
.chart { display: block; width: 100%; height: auto; }
.grid { stroke: var(--line); stroke-width: 1; }
.axis, .tick { stroke: var(--muted); stroke-width: 1; }
.level { stroke: var(--tone-0); stroke-width: 1.25; stroke-dasharray: 4 3; }
.line { fill: none; stroke: var(--tone); stroke-width: 2; stroke-linejoin: round; }
.raw { fill: none; stroke: var(--tone); stroke-width: 2.5; stroke-opacity: .25; stroke-linecap: round; }
.dots { fill: none; stroke: var(--tone); stroke-width: 6; stroke-linecap: round; }
.band { fill: var(--tone); fill-opacity: .16; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: 0 0 .35rem; padding: 0; list-style: none; font-size: .8125rem; }
.key { display: inline-block; width: 1.1rem; height: .25rem; margin: 0 .4rem .2rem 0; background: var(--tone); }
.heat text { font-size: 11px; }
.heat { display: block; max-width: none; }
.ranks { margin: .5rem 0 0; padding: 0; list-style: none; font-size: .9rem; font-variant-numeric: tabular-nums; }
.captions { columns: 20rem; font-size: .8125rem; }
.scale { display: flex; flex-wrap: wrap; gap: .3rem .6rem; align-items: center; margin-top: 1rem; font-size: .8125rem; color: var(--muted); font-variant-numeric: tabular-nums; }
.scale svg { width: 16rem; max-width: 40vw; height: .75rem; }

form { display: flex; flex-wrap: wrap; gap: .6rem 1.2rem; align-items: baseline; margin-bottom: 1.2rem; font-size: .9rem; color: var(--muted); }
form[hidden], article[hidden] { display: none; }
select { font: inherit; color: var(--ink); background: var(--paper); border: 1px solid var(--line); border-radius: .25rem; padding: .15rem .3rem; max-width: 14rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); gap: 2rem 1.5rem; }
article { content-visibility: auto; contain-intrinsic-size: auto 16rem; }
article h4 { margin: 0 0 .2rem; font-size: .95rem; }
.facts { display: flex; flex-wrap: wrap; gap: 0 .9rem; margin: 0 0 .5rem; font-size: .8125rem; color: var(--muted); }
.images { display: flex; flex-wrap: wrap; gap: .9rem; }
.images figure { flex: 0 1 8rem; }
.cards.large { grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); }
.cards.large .images figure { flex: 1 1 9rem; max-width: 16rem; }
.images figcaption { margin: .3rem 0 0; font-size: .8125rem; line-height: 1.35; overflow-wrap: anywhere; }
img { display: block; max-width: 100%; background: var(--panel); }
img.smooth { height: auto; }
.pixelated { image-rendering: pixelated; }

@media (max-width: 40rem) {
  body { padding: 1.5rem 1rem 3rem; }
  .headline { font-size: 1.2rem; }
  section { margin-top: 1.75rem; padding-top: 1.5rem; }
  .results, .results tbody { display: block; }
  .results thead, .results .group > :not(:first-child) { display: none; }
  .results tr { display: grid; grid-template-columns: repeat(6, minmax(0, 1fr)); gap: .5rem .6rem; padding: .7rem .5rem; border-bottom: 1px solid var(--line); }
  .results tr.whole { background: var(--panel); }
  .results tr > * { order: 2; grid-column: span 2; min-width: 0; max-width: none; padding: 0; border: 0; background: none; }
  .results tr > th { grid-column: span 3; order: 0; font-weight: 600; }
  .results tr > .finding { grid-column: span 3; order: 1; text-align: right; }
  .results tr > [data-label="Pairs"] { order: 3; }
  .results tr > [data-label="Better/same/worse"], .results tr > [data-label="Win rate"] { order: 4; }
  .results td.n { min-width: 0; white-space: normal; font-weight: 400; }
  .results td.n::before { content: attr(data-label); display: block; color: var(--muted); font-size: .7rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .results .group th { grid-column: 1 / -1; padding-top: .8rem; }
  .results .bar { max-width: 100%; }
  .scale span:first-child { flex-basis: 100%; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .5rem; }
}
@media print {
  body { max-width: none; padding: 0; }
  form, nav { display: none; }
  figure, tr, article { break-inside: avoid; }
}
`;

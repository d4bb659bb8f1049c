import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { costSection, formatSeconds, formatSeeds, settingsSection } from "./settings-section.js";

describe("settings", () => {
  it("show what is given, and nothing for what is not", () => {
    assert.equal(
      settingsSection({ steps: 28, commandLine: "softrepa eval --out 'a b'" }).text,
      "<dl><dt>Sampling steps</dt><dd>28</dd><dt>Command</dt><dd><code>softrepa eval --out &#39;a b&#39;</code></dd></dl>",
    );
    assert.doesNotMatch(settingsSection({ seeds: [] }).text, /Seeds/);
  });

  it("write neighbouring seeds as ranges", () => {
    const cases: [number[], string][] = [
      [[7], "7"],
      [[8, 7], "7, 8"],
      [[3, 1, 2], "1 to 3 (3 seeds)"],
      [[1, 2, 3, 9, 20, 21, 2], "1 to 3, 9, 20, 21 (6 seeds)"],
      [Array.from({ length: 20 }, (_, i) => 2 * i), "0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, \u2026 (20 seeds)"],
    ];
    for (const [seeds, text] of cases) assert.equal(formatSeeds(seeds), text);
  });
});

describe("cost", () => {
  it("adds up the phases and leaves out what was not measured", () => {
    const { text } = costSection({
      phases: [
        { name: "training", seconds: 90 },
        { name: "images", seconds: 30 },
      ],
    });
    assert.match(text, /training.*1 min 30 s.*75\.0%.*images.*30\.0 s.*25\.0%.*Together.*2 min 00 s/);
    assert.doesNotMatch(text, /memory|Processor|Threads|<dl>/);
    assert.match(costSection({ phases: [], peakMemoryBytes: 2.24e9 }).text, /^<dl>.*2\.2 GB.*<\/dl>$/);
  });

  it("writes times by their size", () => {
    assert.deepEqual([0, 0.424, 9.996, 59.94, 59.96, 185, 7620].map(formatSeconds), [
      "0.00 s",
      "0.42 s",
      "10.0 s",
      "59.9 s",
      "1 min 00 s",
      "3 min 05 s",
      "2 h 07 min",
    ]);
  });
});

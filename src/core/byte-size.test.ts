import assert from "node:assert/strict";
import { it } from "node:test";
import { formatByteSize, parseByteSize } from "./byte-size.js";

it("parses sizes with a unit, and nothing else", () => {
  const read = { "8GB": 8e9, "6000MB": 6e9, "1.5 GiB": 1.5 * 2 ** 30, "512kb": 512e3, "2TiB": 2 ** 41 };
  for (const [text, bytes] of Object.entries(read)) assert.equal(parseByteSize(text), bytes, text);
  for (const text of ["8", "GB", "0GB", "-1GB", "8 G", "8GB ", "1e3MB", "8,5GB", "9999999TB", ""]) {
    assert.equal(parseByteSize(text), undefined, text);
  }
});

it("formats sizes with two or three digits", () => {
  const written = {
    0: "0 KB",
    1200: "2 KB",
    999400: "1000 KB",
    1.25e6: "1.3 MB",
    640e6: "640 MB",
    2.1e9: "2.1 GB",
    3e12: "3.0 TB",
  };
  for (const [bytes, text] of Object.entries(written)) assert.equal(formatByteSize(Number(bytes)), text);
});

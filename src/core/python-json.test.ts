import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { parsePythonJson } from "./python-json.js";

it("reads Python's NaN and Infinity as null, outside of strings alone", () => {
  const text = '{"a": NaN, "b": [-Infinity, Infinity], "NaN": "NaN, \\"Infinity\\"", "c": 1}';
  assert.deepEqual(parsePythonJson(text), { a: null, b: [null, null], NaN: 'NaN, "Infinity"', c: 1 });
});

it("reads JSON as JSON.parse does, and rejects what is neither", () => {
  fc.assert(fc.property(fc.json(), (text) => assert.deepEqual(parsePythonJson(text), JSON.parse(text))));
  for (const text of ["", "{", '{"a": NaNa}', '"NaN', "[NaN", `${'"\\"'.repeat(20_000)}NaN`]) {
    assert.throws(() => parsePythonJson(text), SyntaxError);
  }
});

/** @file Registers a resolver that finds compiled files which cases name at their former places. */

import { register } from "node:module";

const places: Readonly<Record<string, string>> = {
  "/dist/pipelines/testing/": "/dist/testing/pipelines/",
};
const hook = `
const places = ${JSON.stringify(Object.entries(places))};
export function resolve(specifier, context, next) {
  for (const [from, to] of places) specifier = specifier.replace(from, to);
  return next(specifier, context);
}`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);

/** @file `softrepa tokens`: inspects and converts files of soft tokens. */

import { extname } from "node:path";
import { Command, Option } from "commander";
import { UsageError } from "../../core/errors.js";
import { formatShape } from "../../core/tensor.js";
import { printable, visibleJson } from "../../core/text.js";
import { unetStages } from "../../pipelines/pipeline.js";
import { describeSoftTokens } from "../../softtokens/describe.js";
import {
  type FormatName,
  formatNames,
  formats,
  openSoftTokens,
  writeSoftTokens,
} from "../../softtokens/formats/index.js";
import { parseStages, placementPhrases, type SoftTokens, stagesKey } from "../../softtokens/softtokens.js";

export function tokensCommand(): Command {
  const command = new Command("tokens").description("inspect and convert files of soft tokens");
  command
    .command("inspect")
    .description("shapes, norms and metadata of soft tokens in any known format")
    .argument("<path>", "a .safetensors file, dc_tokens.pth of the authors, or its folder")
    .option("--json", "print one JSON object")
    .action(inspect);
  command
    .command("convert")
    .description("convert soft tokens to another format, keeping values bit for bit")
    .argument("<from>", "soft tokens in any known format")
    .argument("<to>", "the file to write; a folder for the official format")
    .addOption(
      new Option(
        "--format <name>",
        "output format (default: softrepa for .safetensors, official for .pth or a folder)",
      ).choices(formatNames),
    )
    .addOption(
      new Option("--stages <list>", "stages of a UNet that use them (down,mid,up), for files that do not record it"),
    )
    .action(convert);
  return command;
}

async function inspect(path: string, { json = false }: { json?: boolean }): Promise<void> {
  const { format, tokens } = await openSoftTokens(path);
  const description = describeSoftTokens(tokens, path);
  if (json) {
    const timeTable = tokens.timeTable?.shape ?? null;
    const report = { path, format, shapes: { tokens: tokens.tokens.shape, timeTable }, ...description };
    process.stdout.write(`${visibleJson(JSON.stringify(report, null, 2))}\n`);
    return;
  }
  const lines = [
    ["file", path],
    ["format", formats[format].title],
    ["placement", `${description.placement} (${placementPhrases[description.placement]})`],
    [
      "tokens",
      `${formatShape(tokens.tokens.shape)}: ${description.layers} layers, ${description.count} tokens, ${description.width} wide`,
    ],
    [
      "time table",
      tokens.timeTable === null
        ? "none"
        : `${formatShape(tokens.timeTable.shape)}: ${description.buckets} buckets, ${description.timeWidth} wide per layer`,
    ],
    ["parameters", description.parameters.toLocaleString("en-US")],
    ...(description.nonFinite > 0
      ? [["non-finite", `${description.nonFinite} values are NaN or infinite: these tokens are broken`]]
      : []),
    ["layer norms", ...wrapped(description.layerNorms)],
    ...(description.buckets > 0 ? [["bucket norms", ...wrapped(description.bucketNorms)]] : []),
    ...Object.entries(description.metadata).map(([key, value]) => [key, JSON.stringify(value)]),
  ];
  const width = Math.max(...lines.map(([label = ""]) => label.length));
  for (const [label = "", ...rows] of lines) {
    for (const [i, row] of rows.entries())
      process.stdout.write(`${(i === 0 ? label : "").padEnd(width)}  ${printable(row)}\n`);
  }
}

/** Formats norms, ten per row. */
function wrapped(norms: readonly number[]): string[] {
  const texts = norms.map((norm) => norm.toPrecision(4));
  return Array.from({ length: Math.ceil(texts.length / 10) }, (_, row) =>
    texts.slice(10 * row, 10 * row + 10).join(" "),
  );
}

async function convert(from: string, to: string, options: { format?: FormatName; stages?: string }): Promise<void> {
  const format = options.format ?? guessFormat(to);
  const { format: source, tokens: read } = await openSoftTokens(from);
  const tokens = options.stages === undefined ? read : withStages(read, options.stages);
  const files = await writeSoftTokens(to, tokens, format);
  const metadataKeys = Object.keys(tokens.metadata);
  process.stderr.write(`${source} -> ${format}: wrote ${printable(files.join(" and "))}\n`);
  if (metadataKeys.length > 0 && !formats[format].keepsMetadata) {
    process.stderr.write(`the ${format} format has no metadata; dropped: ${printable(metadataKeys.join(", "))}\n`);
  }
}

/** Records the stages in the metadata of tokens whose file format cannot. */
function withStages(tokens: SoftTokens, text: string): SoftTokens {
  const stages = parseStages(text);
  if (stages === null) throw new UsageError(`--stages must be one or more of ${unetStages.join(", ")}, not "${text}"`);
  if (tokens.placement !== "after-first")
    throw new UsageError("--stages applies to tokens of a UNet; these are of another model");
  return { ...tokens, metadata: { ...tokens.metadata, [stagesKey]: stages.join(",") } };
}

/** Folder names may contain a dot, as in `tokens/sd1.5`; extensions of other file types are rejected. */
function guessFormat(to: string): FormatName {
  const extension = extname(to);
  if (extension === ".safetensors") return "softrepa";
  if (extension === ".pth" || !/^\.[a-z]+$/i.test(extension)) return "official";
  throw new UsageError(`cannot tell the format from the name ${to}: add --format ${formatNames.join(", ")}`);
}

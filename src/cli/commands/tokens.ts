/** @file `softrepa tokens`: look into files of soft tokens and convert them. */

import { extname } from "node:path";
import { Command, Option } from "commander";
import { UsageError } from "../../core/errors.js";
import { formatShape } from "../../core/tensor.js";
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
  const command = new Command("tokens").description("look into files of soft tokens and convert them");
  command
    .command("inspect")
    .description("shapes, norms and metadata of soft tokens in any known format")
    .argument("<path>", "a .safetensors file, the authors' dc_tokens.pth, or a folder that has it")
    .option("--json", "print one JSON object")
    .action(inspect);
  command
    .command("convert")
    .description("rewrite soft tokens in another format; the numbers stay the same, bit for bit")
    .argument("<from>", "soft tokens in any known format")
    .argument("<to>", "the file to write, or for official tokens a folder")
    .addOption(
      new Option(
        "--format <name>",
        "format to write; default: softrepa for .safetensors, official for .pth or a folder",
      ).choices(formatNames),
    )
    .addOption(
      new Option("--stages <list>", "say which stages of a UNet see them (down,mid,up), for files that do not"),
    )
    .action(convert);
  return command;
}

async function inspect(path: string, { json = false }: { json?: boolean }): Promise<void> {
  const { format, tokens } = await openSoftTokens(path);
  const seen = describeSoftTokens(tokens, path);
  if (json) {
    const timeTable = tokens.timeTable?.shape ?? null;
    const report = { path, format, shapes: { tokens: tokens.tokens.shape, timeTable }, ...seen };
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    return;
  }
  const lines = [
    ["file", path],
    ["format", formats[format].title],
    ["placement", `${seen.placement} (${placementPhrases[seen.placement]})`],
    ["tokens", `${formatShape(tokens.tokens.shape)}: ${seen.layers} layers, ${seen.count} tokens, ${seen.width} wide`],
    [
      "time table",
      tokens.timeTable === null
        ? "none"
        : `${formatShape(tokens.timeTable.shape)}: ${seen.buckets} buckets, ${seen.timeWidth} wide a layer`,
    ],
    ["parameters", seen.parameters.toLocaleString("en-US")],
    ...(seen.nonFinite > 0
      ? [["not finite", `${seen.nonFinite} numbers are NaN or infinite: these tokens are broken`]]
      : []),
    ["layer norms", ...wrapped(seen.layerNorms)],
    ...(seen.buckets > 0 ? [["bucket norms", ...wrapped(seen.bucketNorms)]] : []),
    ...Object.entries(seen.metadata).map(([key, value]) => [key, JSON.stringify(value)]),
  ];
  const width = Math.max(...lines.map(([label = ""]) => label.length));
  for (const [label = "", ...rows] of lines) {
    for (const [i, row] of rows.entries()) process.stdout.write(`${(i === 0 ? label : "").padEnd(width)}  ${row}\n`);
  }
}

/** Norms, ten to a row. */
function wrapped(norms: readonly number[]): string[] {
  const texts = norms.map((norm) => norm.toPrecision(4));
  return Array.from({ length: Math.ceil(texts.length / 10) }, (_, row) =>
    texts.slice(10 * row, 10 * row + 10).join(" "),
  );
}

async function convert(from: string, to: string, options: { format?: FormatName; stages?: string }): Promise<void> {
  const format = options.format ?? guessFormat(to);
  const { format: source, tokens: read } = await openSoftTokens(from);
  const tokens = options.stages === undefined ? read : inStages(read, options.stages);
  const files = await writeSoftTokens(to, tokens, format);
  const lost = Object.keys(tokens.metadata);
  process.stderr.write(`${source} -> ${format}: wrote ${files.join(" and ")}\n`);
  if (lost.length > 0 && !formats[format].keepsMetadata) {
    process.stderr.write(`the ${format} format has no metadata, left out: ${lost.join(", ")}\n`);
  }
}

/** The tokens with the stages that they are for, where there was no room for that in their file. */
function inStages(tokens: SoftTokens, text: string): SoftTokens {
  const stages = parseStages(text);
  if (stages === null) throw new UsageError(`--stages must be one or more of ${unetStages.join(", ")}, not "${text}"`);
  if (tokens.placement !== "after-first")
    throw new UsageError("--stages is for the tokens of a UNet, which these are not");
  return { ...tokens, metadata: { ...tokens.metadata, [stagesKey]: stages.join(",") } };
}

/** A folder's name may have a dot too, as in `tokens/sd1.5`; what ends like a file of some other kind is refused. */
function guessFormat(to: string): FormatName {
  const extension = extname(to);
  if (extension === ".safetensors") return "softrepa";
  if (extension === ".pth" || !/^\.[a-z]+$/i.test(extension)) return "official";
  throw new UsageError(`cannot tell the format from the name ${to}: add --format ${formatNames.join(", ")}`);
}

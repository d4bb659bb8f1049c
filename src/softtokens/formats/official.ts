/**
 * @file The SoftREPA authors' format: `dc_tokens.pth`, a pickled parameter, [layers,count,width] for SD3 and
 * [count,width] for UNets, and beside it, where the tokens depend on time, `dc_t_tokens.pth`, a pickled nn.Embedding.
 */

import { stat } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { InputError, UsageError } from "../../core/errors.js";
import { type FloatTensor, floatTensor, formatShape } from "../../core/tensor.js";
import { readTorchFile } from "../../weights/torch-file.js";
import { writeTorchEmbedding, writeTorchParameter } from "../../weights/torch-write.js";
import { type SoftTokens, sizesOf } from "../softtokens.js";
import type { TokenFormat } from "./format.js";

const tokensName = "dc_tokens.pth";

export const official: TokenFormat = {
  title: "official SoftREPA .pth files",
  keepsMetadata: false,

  detect: (glance) => (glance.kind === "folder" ? glance.names.includes(tokensName) : glance.kind === "torch"),

  async read({ kind, path }) {
    const tokensFile = kind === "folder" ? join(path, tokensName) : path;
    if (basename(tokensFile).startsWith("dc_t_tokens")) {
      throw new InputError(`${tokensFile} is only the time table: name ${tokensName} or the folder`);
    }
    const tokens = await readSingleTensor(tokensFile, "");
    const timeFile = timeTableFile(tokensFile);
    const timeTable =
      timeFile !== undefined && (await exists(timeFile)) ? await readSingleTensor(timeFile, "weight") : null;
    const result = fromTorch(tokensFile, tokens, timeTable);
    sizesOf(result, tokensFile);
    return result;
  },

  async write(path, { placement, tokens, timeTable }) {
    const tokensFile = extname(path) === ".pth" ? path : join(path, tokensName);
    const timeFile = timeTableFile(tokensFile);
    if (timeFile === undefined) {
      throw new UsageError(
        `official tokens are a folder or a file named dc_tokens*.pth (the time table's name follows), not ${path}`,
      );
    }
    if (timeTable !== null) {
      await writeTorchEmbedding(timeFile, timeTable);
    } else if (await exists(timeFile)) {
      throw new InputError(
        `${timeFile} is there already and would be read with these tokens, which have no time table: remove it`,
      );
    }
    await writeTorchParameter(
      tokensFile,
      placement === "prefix" ? tokens : floatTensor(tokens.shape.slice(1), tokens.data),
    );
    return timeTable === null ? [tokensFile] : [tokensFile, timeFile];
  },
};

/** The rank tells the placement: only SD3 has tokens for each layer. */
function fromTorch(file: string, tokens: FloatTensor, timeTable: FloatTensor | null): SoftTokens {
  const { shape, data } = tokens;
  if (shape.length === 3) return { placement: "prefix", tokens, timeTable, metadata: {} };
  if (shape.length === 2) {
    return { placement: "after-first", tokens: floatTensor([1, ...shape], data), timeTable, metadata: {} };
  }
  throw new InputError(`${file}: official tokens have two or three dimensions, not ${formatShape(shape)}`);
}

/** `dc_t_tokens*.pth` for `dc_tokens*.pth`: training also writes `dc_tokens_best.pth` and numbered ones. */
function timeTableFile(tokensFile: string): string | undefined {
  const name = basename(tokensFile);
  return name.startsWith("dc_tokens") ? join(dirname(tokensFile), name.replace("dc_tokens", "dc_t_tokens")) : undefined;
}

/** The one tensor that the file must consist of. */
async function readSingleTensor(file: string, name: "" | "weight"): Promise<FloatTensor> {
  const tensors = await readTorchFile(file);
  const tensor = tensors.get(name);
  if (tensor === undefined || tensors.size !== 1) {
    const wanted = name === "" ? "one tensor" : "one nn.Embedding";
    const found = [...tensors.keys()].slice(0, 3).map((key) => JSON.stringify(key || "a bare tensor"));
    throw new InputError(
      `${file} should hold ${wanted}, it holds ${found.join(", ")}${tensors.size > 3 ? ", ..." : ""}`,
    );
  }
  return tensor;
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

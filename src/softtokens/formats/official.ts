/**
 * @file The SoftREPA authors' format: `dc_tokens.pth`, a pickled parameter [layers,count,width] for SD3 or [count,width] for UNets,
 * and, if the tokens depend on the timestep, `dc_t_tokens.pth` in the same folder, a pickled nn.Embedding.
 */

import { basename, dirname, extname, join } from "node:path";
import { InputError, UsageError } from "../../core/errors.js";
import { statOrNull } from "../../core/missing.js";
import { type FloatTensor, floatTensor, formatShape } from "../../core/tensor.js";
import { readTorchFile } from "../../weights/torch-file.js";
import { writeTorchEmbedding, writeTorchParameter } from "../../weights/torch-write.js";
import { type SoftTokens, sizesOf } from "../softtokens.js";
import type { TokenFormat } from "./format.js";

const tokensName = "dc_tokens.pth";

export const official: TokenFormat = {
  title: "official SoftREPA .pth files",
  keepsMetadata: false,

  detect: (file) => (file.kind === "folder" ? file.names.includes(tokensName) : file.kind === "torch"),

  async read({ kind, path }) {
    const tokensFile = kind === "folder" ? join(path, tokensName) : path;
    if (basename(tokensFile).startsWith("dc_t_tokens")) {
      throw new InputError(`${tokensFile} contains only the time table: use ${tokensName} or the folder`);
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
        `the path of official tokens must be a folder or a file dc_tokens*.pth, from which the time table's name follows, not ${path}`,
      );
    }
    if (timeTable !== null) {
      await writeTorchEmbedding(timeFile, timeTable);
    } else if (await exists(timeFile)) {
      throw new InputError(
        `${timeFile} exists and would be read with these tokens, which have no time table: remove it`,
      );
    }
    await writeTorchParameter(
      tokensFile,
      placement === "prefix" ? tokens : floatTensor(tokens.shape.slice(1), tokens.data),
    );
    return timeTable === null ? [tokensFile] : [tokensFile, timeFile];
  },
};

/** The rank determines the placement: only SD3 has tokens per layer. */
function fromTorch(file: string, tokens: FloatTensor, timeTable: FloatTensor | null): SoftTokens {
  const { shape, data } = tokens;
  if (shape.length === 3) return { placement: "prefix", tokens, timeTable, metadata: {} };
  if (shape.length === 2) {
    return { placement: "after-first", tokens: floatTensor([1, ...shape], data), timeTable, metadata: {} };
  }
  throw new InputError(`${file}: official tokens have two or three dimensions, not ${formatShape(shape)}`);
}

/** `dc_t_tokens*.pth` for `dc_tokens*.pth`; the authors' training also writes `dc_tokens_best.pth` and numbered files. */
function timeTableFile(tokensFile: string): string | undefined {
  const name = basename(tokensFile);
  return name.startsWith("dc_tokens") ? join(dirname(tokensFile), name.replace("dc_tokens", "dc_t_tokens")) : undefined;
}

/** Reads the only tensor of a file. */
async function readSingleTensor(file: string, name: "" | "weight"): Promise<FloatTensor> {
  const tensors = await readTorchFile(file);
  const tensor = tensors.get(name);
  if (tensor === undefined || tensors.size !== 1) {
    const expected = name === "" ? "one tensor" : "one nn.Embedding";
    const found = [...tensors.keys()].slice(0, 3).map((key) => JSON.stringify(key || "a bare tensor"));
    throw new InputError(
      `${file} must contain ${expected}, it contains ${found.join(", ")}${tensors.size > 3 ? ", ..." : ""}`,
    );
  }
  return tensor;
}

async function exists(file: string): Promise<boolean> {
  return (await statOrNull(file)) !== null;
}

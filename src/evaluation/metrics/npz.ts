/** @file Statistics files of FID: a numpy .npz with mu [D] and sigma [D, D], as pytorch-fid's --save-stats writes it. */

import { readFile } from "node:fs/promises";
import { unzipSync, zipSync } from "fflate";
import { InputError, messageOf } from "../../core/errors.js";
import { writeFileAtomic } from "../../core/files.js";
import { formatShape, sizeOf } from "../../core/tensor.js";
import type { FeatureStatistics } from "./frechet.js";

/** 2048 x 2048 doubles are 34 million bytes; no array of such a file is longer than this. */
const maxArrayBytes = 256 << 20;

export async function readStatistics(file: string): Promise<FeatureStatistics> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw new InputError(`cannot read ${file}: ${messageOf(error)}`, { cause: error });
  });
  let entries: Record<string, Uint8Array>;
  try {
    entries = unzipSync(bytes, {
      filter: ({ name, originalSize }) => (name === "mu.npy" || name === "sigma.npy") && originalSize <= maxArrayBytes,
    });
  } catch (error) {
    throw new InputError(`${file} is no .npz file: ${messageOf(error)}`, { cause: error });
  }
  const { "mu.npy": mu, "sigma.npy": sigma } = entries;
  if (mu === undefined || sigma === undefined) {
    throw new InputError(`${file} holds no mu and sigma: statistics of pytorch-fid are needed (its --save-stats)`);
  }
  const mean = parseNpy(mu, `${file}: mu`);
  const covariance = parseNpy(sigma, `${file}: sigma`);
  const size = mean.shape[0];
  if (mean.shape.length !== 1 || covariance.shape.length !== 2 || covariance.shape.some((side) => side !== size)) {
    const shapes = `${formatShape(mean.shape)} and ${formatShape(covariance.shape)}`;
    throw new InputError(`${file}: mu and sigma are ${shapes}, not [D] and [D,D]`);
  }
  if (!mean.data.every(Number.isFinite) || !covariance.data.every(Number.isFinite)) {
    throw new InputError(`${file} holds numbers that are not finite`);
  }
  return { mean: mean.data, covariance: { size, data: covariance.data }, count: null };
}

/** The zip's own date for every entry: equal statistics give equal bytes. */
const entryDate = new Date(1980, 0, 1);

export async function writeStatistics(file: string, { mean, covariance }: FeatureStatistics): Promise<void> {
  const entries = {
    "mu.npy": formatNpy([mean.length], mean),
    "sigma.npy": formatNpy([covariance.size, covariance.size], covariance.data),
  };
  await writeFileAtomic(file, zipSync(entries, { level: 6, mtime: entryDate }));
}

interface NumpyArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** A .npy file (numpy.lib.format, versions 1 to 3) of little-endian floats in C order. */
function parseNpy(bytes: Uint8Array, what: string): NumpyArray {
  const fault = (why: string) => new InputError(`${what} is no array that can be read: ${why}`);
  const text = (start: number, end: number) => Buffer.from(bytes.subarray(start, end)).toString("latin1");
  if (bytes.length < 12 || text(0, 6) !== "\x93NUMPY") throw fault("it does not begin as a .npy file");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = bytes[6] >= 2;
  const start = (wide ? 12 : 10) + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  if (start > bytes.length) throw fault("its header is cut short");
  const header = text(wide ? 12 : 10, start);
  const width = /'descr':\s*'<f([48])'/.exec(header)?.[1];
  if (width === undefined) throw fault("its numbers are not little-endian float32 or float64");
  if (!/'fortran_order':\s*False/.test(header)) throw fault("it is not in C order");
  const sizes = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  if (sizes === undefined) throw fault("it has no shape");
  const shape = sizes.split(",").flatMap((size) => (size.trim() === "" ? [] : [Number(size)]));
  const count = sizeOf(shape);
  if (start + count * Number(width) !== bytes.length) {
    throw fault(`${formatShape(shape)} numbers and ${bytes.length - start} bytes`);
  }
  // A copy: the numbers need not lie on a multiple of their size.
  const { buffer } = bytes.slice(start);
  const data = width === "8" ? new Float64Array(buffer) : Float64Array.from(new Float32Array(buffer));
  return { shape, data };
}

function formatNpy(shape: readonly number[], data: Float64Array): Uint8Array {
  const described = `{'descr': '<f8', 'fortran_order': False, 'shape': (${shape.join(", ")}${shape.length === 1 ? "," : ""}), }`;
  // Magic, version and length are 10 bytes; numpy wants the numbers on a multiple of 64.
  const header = `${described.padEnd(Math.ceil((described.length + 11) / 64) * 64 - 11)}\n`;
  const head = Buffer.alloc(10 + header.length);
  head.write("\x93NUMPY\x01\x00", 0, "latin1");
  head.writeUInt16LE(header.length, 8);
  head.write(header, 10, "latin1");
  return Buffer.concat([head, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]);
}

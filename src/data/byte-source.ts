/** @file Reads parts of a file by offset. */

import { open } from "node:fs/promises";
import { InputError, messageOf } from "../core/errors.js";

/** An open file. */
export interface ByteSource {
  readonly file: string;
  /** Size in bytes. */
  readonly size: number;
  /** Reads exactly `length` bytes from `offset`. Throws an InputError if the file ends before. */
  readonly read: (offset: number, length: number) => Promise<Uint8Array>;
}

/** Opens a file while `body` runs. */
export async function withByteSource<T>(file: string, body: (source: ByteSource) => Promise<T>): Promise<T> {
  const failed = (error: unknown) => new InputError(`cannot read ${file}: ${messageOf(error)}`, { cause: error });
  const handle = await open(file, "r").catch((error: unknown) => {
    throw failed(error);
  });
  try {
    const { size } = await handle.stat();
    const read = async (offset: number, length: number): Promise<Uint8Array> => {
      if (offset + length > size) {
        throw new InputError(`${file} is cut short: bytes ${offset} to ${offset + length} are needed, it has ${size}`);
      }
      const buffer = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const { bytesRead } = await handle.read(buffer, done, length - done, offset + done).catch((error: unknown) => {
          throw failed(error);
        });
        if (bytesRead === 0) throw new InputError(`${file} is cut short: it ends at byte ${offset + done}`);
        done += bytesRead;
      }
      return buffer;
    };
    return await body({ file, size, read });
  } finally {
    await handle.close();
  }
}

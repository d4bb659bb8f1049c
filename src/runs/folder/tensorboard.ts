/**
 * @file TensorBoard event files: TFRecords of Event messages (tensorflow/core/util/event.proto), scalars only. Encoded here,
 * because no small package writes them.
 */

import { type FileHandle, mkdir, open } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { crc32c } from "../../core/crc32c.js";
import { messageOf, RuntimeFailure } from "../../core/errors.js";

/** Bytes to buffer before writing. */
const bufferSize = 2 ** 14;

export class EventWriter {
  private pending: Uint8Array[] = [];
  private size = 0;
  private done: Promise<void>;
  private handle: FileHandle | undefined;
  private failure: unknown;

  /** Creates a file in `folder`. TensorBoard discards `firstStep` and later steps of older files, since they are repeated. */
  constructor(folder: string, firstStep: number) {
    const seconds = Math.floor(Date.now() / 1000);
    const file = join(folder, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}`);
    this.done = mkdir(folder, { recursive: true }).then(async () => {
      this.handle = await open(file, "w");
    });
    this.done = this.done.catch((error: unknown) => {
      this.failure = error;
    });
    this.push(eventBytes(0, stringField(3, "brain.Event:2")));
    // SessionLog with status START.
    this.push(eventBytes(firstStep, messageField(7, varintField(1, 1))));
  }

  add(step: number, scalars: Readonly<Record<string, number>>): void {
    const values = Object.entries(scalars).map(([tag, value]) =>
      messageField(1, Buffer.concat([stringField(1, tag), floatField(2, value)])),
    );
    this.push(eventBytes(step, messageField(5, Buffer.concat(values))));
  }

  /** @throws RuntimeFailure if any write failed */
  async close(): Promise<void> {
    this.flush();
    await this.done;
    await this.handle?.close();
    if (this.failure === undefined) return;
    throw new RuntimeFailure(`cannot write TensorBoard events: ${messageOf(this.failure)}`, { cause: this.failure });
  }

  private push(event: Uint8Array): void {
    const record = tfRecord(event);
    this.pending.push(record);
    this.size += record.length;
    if (this.size >= bufferSize) this.flush();
  }

  private flush(): void {
    const bytes = Buffer.concat(this.pending);
    [this.pending, this.size] = [[], 0];
    this.done = this.done
      .then(async () => {
        await this.handle?.write(bytes);
      })
      .catch((error: unknown) => {
        this.failure ??= error;
      });
  }
}

/** Length, its checksum, the data, their checksum. */
export function tfRecord(data: Uint8Array): Uint8Array {
  const record = Buffer.alloc(data.length + 16);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(masked(crc32c(record.subarray(0, 8))), 8);
  record.set(data, 12);
  record.writeUInt32LE(masked(crc32c(data)), 12 + data.length);
  return record;
}

/** TFRecord masks checksums, because the data may contain checksums themselves. */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

function eventBytes(step: number, what: Uint8Array): Uint8Array {
  const time = Buffer.alloc(9);
  time.writeUInt8(0x09, 0);
  time.writeDoubleLE(Date.now() / 1000, 1);
  return Buffer.concat([time, varintField(2, step), what]);
}

function varintField(field: number, value: number): Uint8Array {
  return Uint8Array.from([field << 3, ...varint(value)]);
}

function messageField(field: number, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.from([(field << 3) | 2, ...varint(bytes.length)]), bytes]);
}

function stringField(field: number, text: string): Uint8Array {
  return messageField(field, Buffer.from(text));
}

function floatField(field: number, value: number): Uint8Array {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt8((field << 3) | 5, 0);
  bytes.writeFloatLE(value, 1);
  return bytes;
}

/** Encodes a non-negative integer. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}

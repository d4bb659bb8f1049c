/** @file Thrift's compact protocol, as far as Parquet's footers and page headers use it (thrift-compact-protocol.md). */

import { InputError } from "../../core/errors.js";

export type ThriftValue = boolean | number | Uint8Array | ThriftStruct | readonly ThriftValue[];

/** The structs of Parquet are some levels deep; a damaged one could nest without end. */
const maxDepth = 16;

/** Types of fields and list elements. */
const types = {
  true: 1,
  false: 2,
  byte: 3,
  i16: 4,
  i32: 5,
  i64: 6,
  double: 7,
  binary: 8,
  list: 9,
  set: 10,
  struct: 12,
} as const;

/** A struct: values by field number. Getters check the type; `where` of the messages is the file. */
export class ThriftStruct {
  constructor(
    private readonly fields: ReadonlyMap<number, ThriftValue>,
    private readonly where: string,
  ) {}

  has(field: number): boolean {
    return this.fields.has(field);
  }

  /** A whole number from 0 up. */
  count(field: number, name: string): number {
    const value = this.fields.get(field);
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    throw this.wrong(name, value);
  }

  optionalCount(field: number, name: string): number | undefined {
    return this.has(field) ? this.count(field, name) : undefined;
  }

  flag(field: number, name: string, absent: boolean): boolean {
    const value = this.fields.get(field) ?? absent;
    if (typeof value === "boolean") return value;
    throw this.wrong(name, value);
  }

  text(field: number, name: string): string {
    return this.textFrom(this.fields.get(field), name);
  }

  struct(field: number, name: string): ThriftStruct {
    const value = this.fields.get(field);
    if (value instanceof ThriftStruct) return value;
    throw this.wrong(name, value);
  }

  structs(field: number, name: string): ThriftStruct[] {
    return this.list(field, name).map((value) => {
      if (value instanceof ThriftStruct) return value;
      throw this.wrong(name, value);
    });
  }

  texts(field: number, name: string): string[] {
    return this.list(field, name).map((value) => this.textFrom(value, name));
  }

  private textFrom(value: ThriftValue | undefined, name: string): string {
    if (value instanceof Uint8Array) return new TextDecoder().decode(value);
    throw this.wrong(name, value);
  }

  private list(field: number, name: string): readonly ThriftValue[] {
    const value = this.fields.get(field);
    if (Array.isArray(value)) return value;
    throw this.wrong(name, value);
  }

  private wrong(name: string, value: ThriftValue | undefined): InputError {
    return new InputError(`${this.where}: ${name} is ${value === undefined ? "missing" : "damaged"}`);
  }
}

/** Bytes ran out inside a struct; with more of them it may be whole. */
export class ThriftTooShort extends InputError {}

/** Reads the struct at the start of `bytes`; `length` is how many bytes it takes. */
export function readThrift(
  bytes: Uint8Array,
  where: string,
): { readonly struct: ThriftStruct; readonly length: number } {
  const reader = new Reader(bytes, where);
  const struct = reader.struct(0);
  return { struct, length: reader.offset };
}

class Reader {
  offset = 0;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly where: string,
  ) {}

  struct(depth: number): ThriftStruct {
    if (depth > maxDepth) throw this.damaged("nested too deep");
    const fields = new Map<number, ThriftValue>();
    for (let field = 0; ; ) {
      const head = this.byte();
      if (head === 0) return new ThriftStruct(fields, this.where);
      field = head >> 4 === 0 ? this.zigzag() : field + (head >> 4);
      const type = head & 15;
      fields.set(field, type === types.true || type === types.false ? type === types.true : this.value(type, depth));
    }
  }

  private value(type: number, depth: number): ThriftValue {
    switch (type) {
      case types.true:
      case types.false:
        // In a list a flag is a byte of its own.
        return this.byte() === types.true;
      case types.byte:
        return (this.byte() << 24) >> 24;
      case types.i16:
      case types.i32:
      case types.i64:
        return this.zigzag();
      case types.double:
        return new DataView(this.take(8).slice().buffer).getFloat64(0, true);
      case types.binary:
        return this.take(this.varint());
      case types.list:
      case types.set:
        return this.list(depth);
      case types.struct:
        return this.struct(depth + 1);
      default:
        throw this.damaged(`a field of type ${type}`);
    }
  }

  private list(depth: number): ThriftValue[] {
    if (depth > maxDepth) throw this.damaged("nested too deep");
    const head = this.byte();
    const count = head >> 4 === 15 ? this.varint() : head >> 4;
    // No value takes less than a byte.
    if (count > this.bytes.length - this.offset) throw this.tooShort();
    return Array.from({ length: count }, () => this.value(head & 15, depth + 1));
  }

  private byte(): number {
    if (this.offset >= this.bytes.length) throw this.tooShort();
    return this.bytes[this.offset++];
  }

  private take(length: number): Uint8Array {
    if (length > this.bytes.length - this.offset) throw this.tooShort();
    this.offset += length;
    return this.bytes.subarray(this.offset - length, this.offset);
  }

  /** Up to 64 bits. Beyond 2^53 the number is not exact; no getter lets such a one through. */
  private varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.byte();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw this.damaged("a number that does not end");
  }

  private zigzag(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  private tooShort(): ThriftTooShort {
    return new ThriftTooShort(`${this.where}: the Parquet metadata is damaged (it breaks off)`);
  }

  private damaged(what: string): InputError {
    return new InputError(`${this.where}: the Parquet metadata is damaged (${what})`);
  }
}

/**
 * @file Reads pickles without running code: it implements the opcodes that weights need and looks up globals in the caller's
 * table of inert constructors. Anything else is an error that names it.
 */

import { InputError, messageOf } from "../core/errors.js";
import {
  HostObject,
  PickleDict,
  PickleGlobal,
  PickleList,
  PickleSet,
  PickleTuple,
  type PickleValue,
} from "./pickle-values.js";

export interface PickleSupport {
  /** Allowed globals by "module.name". */
  readonly globals: ReadonlyMap<string, PickleGlobal>;
  /** Resolves a persistent id. */
  persistentLoad(id: PickleValue): PickleValue;
}

/** Names of refused opcodes, for messages; others are shown as a number. */
const refusedNames: Readonly<Record<number, string>> = {
  50: "DUP",
  70: "FLOAT",
  73: "INT",
  76: "LONG",
  80: "PERSID",
  83: "STRING",
  86: "UNICODE",
  105: "INST",
  111: "OBJ",
  130: "EXT1",
  131: "EXT2",
  132: "EXT4",
  146: "NEWOBJ_EX",
};

/** Longest module or attribute name; also bounds the length of error messages. */
const maxNameBytes = 200;

/** A tensor takes about 30 operations. Each operation makes at most one small object, so this bounds the memory. */
const maxOperations = 2_000_000;

/** Unpickles `bytes`. Errors are InputErrors that start with `origin`. */
export function unpickle(bytes: Uint8Array, support: PickleSupport, origin: string): PickleValue {
  return unpickleAt(bytes, 0, support, origin).value;
}

/** Unpickles the object at byte `start`; also returns the position after it. */
export function unpickleAt(
  bytes: Uint8Array,
  start: number,
  support: PickleSupport,
  origin: string,
): { readonly value: PickleValue; readonly end: number } {
  const machine = new Machine(bytes, support, start);
  try {
    return { value: machine.run(), end: machine.at };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(`${origin}: ${messageOf(error)}`, { cause: error });
  }
}

/** The pickle machine: a stack, a memo and one handler per opcode. */
class Machine {
  private stack: PickleValue[] = [];
  /** Stacks set aside by MARK, innermost last. */
  private readonly marked: PickleValue[][] = [];
  private readonly memo = new Map<number, PickleValue>();
  private readonly view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly support: PickleSupport,
    private position: number,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Position of the next byte. */
  get at(): number {
    return this.position;
  }

  run(): PickleValue {
    for (let operations = 0; operations < maxOperations; operations++) {
      const opcode = this.byte();
      if (opcode === 0x2e) return this.pop(); // STOP
      const handler = handlers[opcode];
      if (handler === undefined) {
        const name = refusedNames[opcode] ?? "unknown";
        throw new InputError(
          `refuses the pickle opcode ${name} (0x${opcode.toString(16).padStart(2, "0")}) at byte ${this.position - 1}: weights do not need it`,
        );
      }
      handler(this);
    }
    throw new InputError(`the pickle has more than ${maxOperations} operations, which plain weights do not need`);
  }

  // Reading the input.

  take(length: number): Uint8Array {
    const end = this.position + length;
    if (end > this.bytes.length) throw new InputError(`the pickle ends within an opcode, at byte ${this.bytes.length}`);
    const taken = this.bytes.subarray(this.position, end);
    this.position = end;
    return taken;
  }

  private next<T>(length: number, read: (offset: number) => T): T {
    const offset = this.position;
    this.take(length);
    return read(offset);
  }

  byte(): number {
    return this.next(1, (offset) => this.view.getUint8(offset));
  }

  uint16(): number {
    return this.next(2, (offset) => this.view.getUint16(offset, true));
  }

  int32(): number {
    return this.next(4, (offset) => this.view.getInt32(offset, true));
  }

  uint32(): number {
    return this.next(4, (offset) => this.view.getUint32(offset, true));
  }

  uint64(): number {
    return this.next(8, (offset) => Number(this.view.getBigUint64(offset, true)));
  }

  float64(): number {
    return this.next(8, (offset) => this.view.getFloat64(offset, false));
  }

  text(length: number): string {
    const raw = this.take(length);
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(raw);
    } catch {
      throw new InputError(`a string before byte ${this.position} is not UTF-8`);
    }
  }

  /** Reads a two's complement integer of `length` bytes, as a number if it is safe. */
  long(length: number): number | bigint {
    const raw = this.take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(raw[i] ?? 0);
    value = BigInt.asIntN(8 * length, value);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  line(): string {
    const end = this.bytes.indexOf(0x0a, this.position);
    if (end < 0 || end - this.position > maxNameBytes) throw new InputError("a name in the pickle is unterminated");
    const text = this.text(end - this.position);
    this.position = end + 1;
    return text;
  }

  // Stack and memo.

  push(value: PickleValue): void {
    this.stack.push(value);
  }

  pop(): PickleValue {
    const value = this.stack.pop();
    if (value === undefined) throw new InputError(`the pickle's stack is empty at byte ${this.position}`);
    return value;
  }

  top(): PickleValue {
    const value = this.stack.at(-1);
    if (value === undefined) throw new InputError(`the pickle's stack is empty at byte ${this.position}`);
    return value;
  }

  mark(): void {
    this.marked.push(this.stack);
    this.stack = [];
  }

  /** Pops everything since the last MARK. */
  popToMark(): readonly PickleValue[] {
    const items = this.stack;
    const outer = this.marked.pop();
    if (outer === undefined) throw new InputError(`the pickle has no mark to go back to at byte ${this.position}`);
    this.stack = outer;
    return items;
  }

  memoize(index: number = this.memo.size): void {
    this.memo.set(index, this.top());
  }

  recall(index: number): void {
    const value = this.memo.get(index);
    if (value === undefined) throw new InputError(`the pickle recalls memo ${index}, which it never stored`);
    this.push(value);
  }

  // Objects.

  global(module: string, name: string): PickleGlobal {
    // Protocol 2 pickles use Python 2's name of the module.
    const full = `${module === "__builtin__" ? "builtins" : module}.${name}`;
    const known = this.support.globals.get(full);
    if (known === undefined) {
      const shown = JSON.stringify(`${module}.${name}`.slice(0, 2 * maxNameBytes));
      throw new InputError(`refuses to load the global ${shown}: only plain weights are read and no code is run`);
    }
    return known;
  }

  call(): void {
    const args = this.pop();
    const callee = this.pop();
    if (!(callee instanceof PickleGlobal) || callee.construct === undefined || !(args instanceof PickleTuple)) {
      const what = callee instanceof PickleGlobal ? callee.name : "something other than a known constructor";
      throw new InputError(`refuses to call ${what} at byte ${this.position}`);
    }
    this.push(callee.construct(args.items));
  }

  build(): void {
    const state = this.pop();
    const target = this.top();
    // State dicts have an attribute `_metadata` (versions of modules), which does not affect the values.
    if (target instanceof PickleDict) return;
    if (!(target instanceof HostObject)) throw new InputError("refuses to set attributes of a plain value");
    target.setState(state);
  }

  persistent(): void {
    this.push(this.support.persistentLoad(this.pop()));
  }

  append(items: readonly PickleValue[]): void {
    const target = this.top();
    if (!(target instanceof PickleList)) throw new InputError("the pickle appends to something other than a list");
    for (const item of items) target.items.push(item);
  }

  add(items: readonly PickleValue[]): void {
    const target = this.top();
    if (!(target instanceof PickleSet)) throw new InputError("the pickle adds to something other than a set");
    for (const item of items) target.items.push(item);
  }

  setItems(items: readonly PickleValue[]): void {
    const target = this.top();
    if (!(target instanceof PickleDict) || items.length % 2 !== 0) {
      throw new InputError("the pickle sets items of something other than a dict");
    }
    for (let i = 0; i < items.length; i += 2) target.entries.set(items[i] as PickleValue, items[i + 1] as PickleValue);
  }
}

/** Pops a string, for STACK_GLOBAL. */
function popText(machine: Machine): string {
  const value = machine.pop();
  if (typeof value !== "string" || value.length > maxNameBytes)
    throw new InputError("a global's name is not a short string");
  return value;
}

/** The supported opcodes: all but those of Python 2's text protocols and of arbitrary objects. */
const handlers: Readonly<Record<number, (m: Machine) => void>> = {
  128: (m) => {
    const protocol = m.byte();
    if (protocol > 5) throw new InputError(`pickle protocol ${protocol} is not known`);
  },
  149: (m) => void m.uint64(), // FRAME: a hint on lengths
  40: (m) => m.mark(),
  48: (m) => void m.pop(), // POP
  49: (m) => void m.popToMark(), // POP_MARK

  78: (m) => m.push(null), // NONE
  136: (m) => m.push(true),
  137: (m) => m.push(false),
  74: (m) => m.push(m.int32()), // BININT
  75: (m) => m.push(m.byte()), // BININT1
  77: (m) => m.push(m.uint16()), // BININT2
  138: (m) => m.push(m.long(m.byte())), // LONG1
  71: (m) => m.push(m.float64()), // BINFLOAT

  88: (m) => m.push(m.text(m.uint32())), // BINUNICODE
  140: (m) => m.push(m.text(m.byte())), // SHORT_BINUNICODE
  141: (m) => m.push(m.text(m.uint64())), // BINUNICODE8
  85: (m) => m.push(m.text(m.byte())), // SHORT_BINSTRING, from Python 2
  66: (m) => m.push(m.take(m.uint32())), // BINBYTES
  67: (m) => m.push(m.take(m.byte())), // SHORT_BINBYTES

  41: (m) => m.push(new PickleTuple([])),
  133: (m) => m.push(new PickleTuple([m.pop()])),
  134: (m) => m.push(new PickleTuple([m.pop(), m.pop()].reverse())),
  135: (m) => m.push(new PickleTuple([m.pop(), m.pop(), m.pop()].reverse())),
  116: (m) => m.push(new PickleTuple(m.popToMark())), // TUPLE

  93: (m) => m.push(new PickleList()), // EMPTY_LIST
  97: (m) => m.append([m.pop()]), // APPEND
  101: (m) => m.append(m.popToMark()), // APPENDS
  125: (m) => m.push(new PickleDict()), // EMPTY_DICT
  115: (m) => m.setItems([m.pop(), m.pop()].reverse()), // SETITEM
  117: (m) => m.setItems(m.popToMark()), // SETITEMS
  143: (m) => m.push(new PickleSet()), // EMPTY_SET
  144: (m) => m.add(m.popToMark()), // ADDITEMS

  113: (m) => m.memoize(m.byte()), // BINPUT
  114: (m) => m.memoize(m.uint32()), // LONG_BINPUT
  148: (m) => m.memoize(), // MEMOIZE
  104: (m) => m.recall(m.byte()), // BINGET
  106: (m) => m.recall(m.uint32()), // LONG_BINGET

  99: (m) => m.push(m.global(m.line(), m.line())), // GLOBAL
  147: (m) => {
    const name = popText(m); // STACK_GLOBAL
    m.push(m.global(popText(m), name));
  },
  82: (m) => m.call(), // REDUCE
  129: (m) => m.call(), // NEWOBJ: cls.__new__(cls, *args)
  98: (m) => m.build(), // BUILD
  81: (m) => m.persistent(), // BINPERSID
};

/** @file The values that a pickle may build: plain values, containers, allowed globals and the caller's inert objects. */

import { InputError } from "../core/errors.js";

/** A value that a pickle may build. Host objects are returned by the caller's constructors. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleTuple
  | PickleList
  | PickleDict
  | PickleSet
  | PickleGlobal
  | HostObject;

export class PickleTuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

export class PickleList {
  readonly items: PickleValue[] = [];
}

/** A dict or OrderedDict. Equal tuples count as different keys, which is enough since weights have string keys. */
export class PickleDict {
  readonly entries = new Map<PickleValue, PickleValue>();
}

export class PickleSet {
  readonly items: PickleValue[] = [];
}

/** Base class of the objects that the caller's constructors return. */
export abstract class HostObject {
  /** Called by BUILD, which sets attributes in Python. */
  setState(_state: PickleValue): void {
    throw new InputError("refuses to set attributes of a tensor or storage");
  }
}

/** A global from the allow-list. */
export class PickleGlobal {
  constructor(
    readonly name: string,
    /** Builds the result of a call (REDUCE, NEWOBJ); absent for globals that are only names, such as storage types. */
    readonly construct?: (args: readonly PickleValue[]) => PickleValue,
  ) {}
}

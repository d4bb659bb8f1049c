/** @file What a pickle may build: plain values, containers, allowed names, and inert objects of the caller's. */

import { InputError } from "../core/errors.js";

/** What a pickle may build. Host objects are whatever the caller's constructors return. */
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

/** A dict or OrderedDict. Keys that are tuples count as different even where they are equal; weights have string keys. */
export class PickleDict {
  readonly entries = new Map<PickleValue, PickleValue>();
}

export class PickleSet {
  readonly items: PickleValue[] = [];
}

/** Base class of what the caller's constructors return. */
export abstract class HostObject {
  /** Called for BUILD, which in Python would set attributes. */
  setState(_state: PickleValue): void {
    throw new InputError("refuses to set attributes of a tensor or storage");
  }
}

/** A name from the allow-list: what REDUCE, NEWOBJ and persistent ids do with it. */
export class PickleGlobal {
  constructor(
    readonly name: string,
    /** Makes the value of a call; a global without it is only a name, such as a storage type. */
    readonly construct?: (args: readonly PickleValue[]) => PickleValue,
  ) {}
}

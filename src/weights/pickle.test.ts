import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import fc from "fast-check";
import { unzipSync } from "fflate";
import { InputError } from "../core/errors.js";
import { repetitions } from "../testing/core/repetitions.js";
import { fixture } from "../testing/weights/support.js";
import { unpickle } from "./pickle.js";
import { PickleDict, PickleList, PickleTuple, type PickleValue } from "./pickle-values.js";
import { namedTensors, storageOf, torchGlobals } from "./torch-objects.js";

const support = { globals: torchGlobals, persistentLoad: storageOf };
const load = (bytes: Uint8Array): PickleValue => unpickle(bytes, support, "dc_tokens.pth");

/** Assembles a pickle: numbers are bytes, strings are UTF-8. */
function pickle(...parts: readonly (number | string)[]): Uint8Array {
  return Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.of(part))));
}

/** STACK_GLOBAL of protocol 4, as bytes because the opcodes are not UTF-8. */
const stackGlobal = (module: string, name: string) => [0x8c, module.length, module, 0x8c, name.length, name, 0x93];

function refused(bytes: Uint8Array, pattern: RegExp): void {
  assert.throws(
    () => load(bytes),
    (error) => {
      assert.ok(error instanceof InputError, String(error));
      assert.match(error.message, pattern);
      assert.match(error.message, /^dc_tokens\.pth: /);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    },
  );
}

describe("unpickle reads", () => {
  it("plain values", () => {
    assert.equal(load(pickle("N.")), null);
    assert.equal(load(pickle(0x88, ".")), true);
    assert.equal(load(pickle("J", 0xfe, 0xff, 0xff, 0xff, ".")), -2);
    assert.equal(load(pickle("M", 0x01, 0x02, ".")), 513);
    assert.equal(load(pickle(0x8a, 2, 0xff, 0x7f, ".")), 32767);
    assert.equal(load(pickle(0x8a, 1, 0xff, ".")), -1);
    assert.equal(load(pickle(0x8a, 0, ".")), 0);
    assert.equal(load(pickle(0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 0x40, ".")), 2n ** 62n);
    assert.equal(load(pickle("G", 0x3f, 0xf8, 0, 0, 0, 0, 0, 0, ".")), 1.5);
    assert.equal(load(pickle("X", 4, 0, 0, 0, "tök", ".")), "tök");
  });

  it("containers, the memo and marks", () => {
    const list = load(pickle("]q", 7, "(K", 1, "K", 2, "eK", 3, "ah", 7, "0."));
    assert.ok(list instanceof PickleList);
    assert.deepEqual(list.items, [1, 2, 3]);
    const dict = load(pickle("}(X", 1, 0, 0, 0, "aK", 1, "X", 1, 0, 0, 0, "bK", 2, "u."));
    assert.ok(dict instanceof PickleDict);
    assert.deepEqual(
      [...dict.entries],
      [
        ["a", 1],
        ["b", 2],
      ],
    );
    const tuple = load(pickle("K", 1, "K", 2, "K", 3, 0x87, "."));
    assert.ok(tuple instanceof PickleTuple);
    assert.deepEqual(tuple.items, [1, 2, 3]);
  });

  it("a list that contains itself", () => {
    const list = load(pickle("]q", 0, "h", 0, "a."));
    assert.ok(list instanceof PickleList);
    assert.equal(list.items[0], list);
    assert.equal(namedTensors(list).size, 0);
  });
});

describe("unpickle rejects by name", () => {
  const calls: [string, Uint8Array, RegExp][] = [
    ["os.system", pickle("cos\nsystem\n(X", 2, 0, 0, 0, "lstR."), /refuses to load the global "os\.system"/],
    ["posix.system", pickle(0x80, 2, "cposix\nsystem\n", 0x29, "R."), /"posix\.system"/],
    ["builtins.eval", pickle("c__builtin__\neval\n(X", 1, 0, 0, 0, "1tR."), /"__builtin__\.eval"/],
    ["STACK_GLOBAL", pickle(0x80, 4, ...stackGlobal("builtins", "exec"), 0x29, "R."), /"builtins\.exec"/],
    [
      "torch's own dangerous globals",
      pickle("ctorch.storage\n_load_from_bytes\n."),
      /"torch\.storage\._load_from_bytes"/,
    ],
    ["an allowed name in another module", pickle("cevil\nOrderedDict\n."), /"evil\.OrderedDict"/],
    [
      "a dotted path through an allowed module",
      pickle(0x80, 4, ...stackGlobal("collections", "OrderedDict.__init__"), "."),
      /"collections\.OrderedDict\.__init__"/,
    ],
    [
      "a name that would break the line",
      pickle(0x80, 4, ...stackGlobal("a\nb", "c\x1b[31m"), "."),
      /"a\\nb\.c\\u001b\[31m"/,
    ],
    ["INST", pickle("(ios\nsystem\n."), /opcode INST \(0x69\) at byte 1/],
    ["OBJ", pickle("(cos\nsystem\no."), /"os\.system"/],
    ["OBJ of an allowed class", pickle("(ccollections\nOrderedDict\no."), /opcode OBJ \(0x6f\)/],
    ["EXT1", pickle(0x82, 1, "."), /opcode EXT1/],
    ["EXT2", pickle(0x83, 1, 0, "."), /opcode EXT2/],
    ["EXT4", pickle(0x84, 1, 0, 0, 0, "."), /opcode EXT4/],
    ["NEWOBJ_EX", pickle("ccollections\nOrderedDict\n", 0x29, "}", 0x92, "."), /opcode NEWOBJ_EX/],
    ["PERSID", pickle("Pname\n."), /opcode PERSID/],
    ["DUP", pickle("]2."), /opcode DUP/],
    ["REDUCE of a string", pickle("X", 1, 0, 0, 0, "a", 0x29, "R."), /refuses to call something/],
    ["REDUCE of a storage type", pickle("ctorch\nFloatStorage\n", 0x29, "R."), /refuses to call torch\.FloatStorage/],
    ["REDUCE without a tuple", pickle("ccollections\nOrderedDict\n]R."), /refuses to call collections\.OrderedDict/],
    ["BUILD on a number", pickle("K", 1, "}b."), /refuses to set attributes of a plain value/],
    ["BUILD on a global", pickle("ccollections\nOrderedDict\n}b."), /refuses to set attributes/],
    ["BUILD on a device", pickle("ctorch\ndevice\n", 0x29, "R}b."), /refuses to set attributes of a tensor/],
    [
      "a persistent id other than a storage",
      pickle("X", 3, 0, 0, 0, "foo", "Q."),
      /persistent id in the pickle is not a storage/,
    ],
    ["an unknown opcode", pickle(0xff, "."), /opcode unknown \(0xff\)/],
    ["a future protocol", pickle(0x80, 6, "N."), /protocol 6/],
  ];
  for (const [name, bytes, pattern] of calls) it(name, () => refused(bytes, pattern));
});

describe("unpickle rejects damage and bombs", () => {
  const cases: [string, Uint8Array, RegExp][] = [
    ["an empty file", pickle(), /ends within an opcode/],
    ["no STOP", pickle("N"), /ends within an opcode/],
    ["an empty stack", pickle("."), /stack is empty/],
    ["no mark", pickle("t."), /no mark/],
    ["a memo that was never stored", pickle("h", 3, "."), /recalls memo 3/],
    [
      "a memo of 4 billion entries",
      pickle("Nr", 0xff, 0xff, 0xff, 0xff, "j", 0xfe, 0xff, 0xff, 0xff, "."),
      /recalls memo 4294967294/,
    ],
    ["a string of 4 GB", pickle("X", 0xff, 0xff, 0xff, 0xff, "short."), /ends within an opcode/],
    ["bytes of 4 GB", pickle("B", 0xff, 0xff, 0xff, 0xff, "short."), /ends within an opcode/],
    ["a string of 2^63 bytes", pickle(0x8d, 0, 0, 0, 0, 0, 0, 0, 0x80, "."), /ends within an opcode/],
    ["a string that is not UTF-8", pickle("X", 1, 0, 0, 0, 0xff, "."), /not UTF-8/],
    ["an unterminated global", pickle(`c${"a".repeat(300)}`), /a name in the pickle is unterminated/],
    ["an odd number of dict items", pickle("}(K", 1, "u."), /sets items of something other than a dict/],
    ["items of a list", pickle("]K", 1, "K", 2, "s."), /sets items of something other than a dict/],
    ["appending to a tuple", pickle(0x29, "K", 1, "a."), /appends to something other than a list/],
    [
      "more operations than weights need",
      Buffer.concat([Buffer.alloc(2_000_001, "N"), Buffer.from(".")]),
      /more than 2000000 operations/,
    ],
  ];
  for (const [name, bytes, pattern] of cases) it(name, () => refused(bytes, pattern));

  it("but not deep nesting, without a stack overflow", () => {
    const depth = 500_000;
    load(Buffer.concat([Buffer.alloc(depth, "("), Buffer.alloc(depth, "t"), Buffer.from(".")]));
    load(Buffer.concat([Buffer.from("]"), Buffer.alloc(depth, 0x85), Buffer.from(".")]));
  });

  it("but not doubling by the memo, without expanding it", () => {
    const doubled = Array.from({ length: 200 }, (_, i) => ["q", i, "h", i, 0x86]).flat();
    assert.equal(namedTensors(load(pickle("]", ...doubled, "."))).size, 0);
  });
});

describe("unpickle returns or throws an InputError for", () => {
  function survives(bytes: Uint8Array): void {
    try {
      namedTensors(load(bytes));
    } catch (error) {
      if (!(error instanceof InputError)) throw new Error("not an InputError", { cause: error });
      assert.doesNotMatch(error.message, /\n/);
    }
  }

  it("random bytes", () =>
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), survives), { numRuns: repetitions(2000) }));

  it("random sequences of opcodes", () => {
    const texts = [
      "collections\nOrderedDict\n",
      "torch\nFloatStorage\n",
      "torch._utils\n_rebuild_tensor_v2\n",
      "torch\nSize\n",
      "__builtin__\nset\n",
    ];
    const part = fc.oneof(
      fc.constantFrom(..."(01Na]}u|s.betR)Q").map((opcode) => Buffer.from(opcode)),
      fc.constantFrom(0x81, 0x85, 0x86, 0x87, 0x88, 0x8f, 0x90, 0x94).map((opcode) => Buffer.of(opcode)),
      fc.constantFrom(...texts).map((text) => Buffer.from(`c${text}`)),
      fc.nat(3).map((index) => Buffer.of(0x68, index)),
      fc.nat(3).map((index) => Buffer.of(0x71, index)),
      fc.nat(255).map((value) => Buffer.of(0x4b, value)),
      fc.constant(Buffer.from("X\x07\0\0\0storage")),
    );
    return fc.assert(
      fc.property(fc.array(part, { maxLength: 60 }), (parts) => survives(Buffer.concat([...parts, Buffer.from(".")]))),
      { numRuns: repetitions(5000) },
    );
  });

  for (const name of ["state-dict", "embedding", "protocol4", "checkpoint"]) {
    it(`${name}.pth with some bytes changed`, () => {
      const entries = unzipSync(readFileSync(fixture("torch", `${name}.pth`)));
      const good = entries[`${name}/data.pkl`];
      assert.ok(good);
      const change = fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 }));
      fc.assert(
        fc.property(fc.array(change, { minLength: 1, maxLength: 5 }), (changes) => {
          const bytes = Uint8Array.from(good);
          for (const [index, value] of changes) bytes[index] = value;
          survives(bytes);
        }),
        { numRuns: repetitions(2000) },
      );
    });
  }
});

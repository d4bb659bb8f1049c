import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, it } from "node:test";
import { crc32c } from "../../core/crc32c.js";
import { EventWriter, tfRecord } from "./tensorboard.js";

const root = await mkdtemp(join(tmpdir(), "softrepa-events-"));
after(() => rm(root, { recursive: true, force: true }));

it("crc32c returns the checksums of RFC 3720's examples", () => {
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
  assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283);
});

/** Fields of a protobuf message: numbers as they are, the rest as bytes. */
function fieldsOf(bytes: Buffer): [number, number | Buffer][] {
  const fields: [number, number | Buffer][] = [];
  let at = 0;
  const varint = () => {
    let [value, scale] = [0, 1];
    for (;;) {
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      scale *= 128;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const field = Math.floor(key / 8);
    switch (key % 8) {
      case 0:
        fields.push([field, varint()]);
        break;
      case 1:
        fields.push([field, bytes.readDoubleLE(at)]);
        at += 8;
        break;
      case 5:
        fields.push([field, bytes.readFloatLE(at)]);
        at += 4;
        break;
      case 2: {
        const length = varint();
        fields.push([field, bytes.subarray(at, at + length)]);
        at += length;
        break;
      }
      default:
        assert.fail(`wire type ${key % 8}`);
    }
  }
  return fields;
}

function recordsOf(file: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    const data = file.subarray(at + 12, at + 12 + length);
    assert.deepEqual(file.subarray(at, at + 16 + length), tfRecord(data));
    records.push(data);
    at += 16 + length;
  }
  return records;
}

it("an event file contains the version, the first step and the scalars", async () => {
  const folder = join(root, "events");
  const writer = new EventWriter(folder, 301);
  for (let step = 301; step < 900; step++) writer.add(step, { "train/loss": step / 4, "train/rank1": 0.5 });
  await writer.close();
  const [name, ...others] = await readdir(folder);
  assert.match(name, /^events\.out\.tfevents\.\d{10}\./);
  assert.deepEqual(others, []);
  const events = recordsOf(await readFile(join(folder, name))).map((record) => new Map(fieldsOf(record)));
  assert.equal(events.length, 2 + 599);
  assert.equal(String(events[0].get(3)), "brain.Event:2");
  assert.deepEqual([events[1].get(2), fieldsOf(events[1].get(7) as Buffer)], [301, [[1, 1]]]);
  const last = events[600];
  assert.equal(last.get(2), 899);
  assert.ok(Math.abs(Number(last.get(1)) - Date.now() / 1000) < 3600);
  const values = fieldsOf(last.get(5) as Buffer).map(([, value]) => new Map(fieldsOf(value as Buffer)));
  assert.deepEqual(
    values.map((value) => [String(value.get(1)), value.get(2)]),
    [
      ["train/loss", 899 / 4],
      ["train/rank1", 0.5],
    ],
  );
});

it("a record equals TensorBoard's, byte for byte", () => {
  // What tensorboard.summary.writer.record_writer.RecordWriter (tensorboard 2) makes of b"abc".
  const golden = "0300000000000000b099490e6162636e57f121";
  assert.equal(Buffer.from(tfRecord(Buffer.from("abc"))).toString("hex"), golden);
});

it("close throws if writing failed", async () => {
  await writeFile(join(root, "file"), "x");
  const writer = new EventWriter(join(root, "file"), 1);
  writer.add(1, { x: 1 });
  await assert.rejects(() => writer.close(), /^RuntimeFailure: cannot write TensorBoard events: /);
});

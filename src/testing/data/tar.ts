/** @file Builds tar archives for tests. */

export interface TestMember {
  readonly name: string;
  readonly data: Uint8Array;
  /** Type flag; default: a regular file. */
  readonly type?: string;
  /** Changes the header before its checksum is written. */
  readonly patch?: (header: Buffer) => void;
}

/** An archive that ends with two blocks of zeros; names over 100 bytes use GNU's long name member. */
export function tarOf(members: readonly TestMember[]): Buffer {
  const blocks = members.flatMap((member) => {
    const long = Buffer.from(member.name).length > 100;
    const longName = { name: "././@LongLink", type: "L", data: Buffer.from(`${member.name}\0`) };
    return [...(long ? memberBlocks(longName) : []), ...memberBlocks(member)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function memberBlocks({ name, data, type = "0", patch }: TestMember): Uint8Array[] {
  const header = Buffer.alloc(512);
  header.set(Buffer.from(name).subarray(0, 100), 0);
  header.write("0000644\x000000000\x000000000\0", 100);
  header.write(`${data.length.toString(8).padStart(11, "0")}\0${"0".repeat(11)}\0`, 124);
  header.write("ustar\u000000", 257, "latin1");
  header.write(type, 156, "latin1");
  patch?.(header);
  header.fill(" ", 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return [header, data, Buffer.alloc((512 - (data.length % 512)) % 512)];
}

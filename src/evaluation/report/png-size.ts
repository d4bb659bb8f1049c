/** @file The size of a PNG file in base64, from its first bytes. */

export interface PngSize {
  readonly width: number;
  readonly height: number;
}

/** Bytes up to the end of the header's width and height, and the base64 characters that hold them. */
const headBytes = 24;
const headCharacters = 32;
const signature = Buffer.from("89504e470d0a1a0a0000000d49484452", "hex");

/** Pixels, or null where this is no PNG file. */
export function pngSize(base64: string): PngSize | null {
  const head = Buffer.from(base64.slice(0, headCharacters), "base64");
  if (head.length !== headBytes || !head.subarray(0, signature.length).equals(signature)) return null;
  const size = { width: head.readUInt32BE(16), height: head.readUInt32BE(20) };
  return size.width > 0 && size.height > 0 ? size : null;
}

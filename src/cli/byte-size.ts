/** @file Amounts of bytes as options say them: 500MB, 20GB. */

import { z } from "zod";
import type { Kind } from "./options.js";

const units = { KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };
const pattern = /^(\d+(?:\.\d+)?) ?([KMGT]i?B)$/;

/** `20GB` is 20 x 10^9 bytes, `20GiB` 20 x 2^30. */
const written = z
  .string()
  .regex(pattern)
  .transform((text) => {
    const [, number, unit] = pattern.exec(text) ?? [];
    return Math.round(Number(number) * units[unit as keyof typeof units]);
  })
  .pipe(z.int().positive());

/** A configuration file may say a number of bytes too. */
export const byteSize: Kind<number> = {
  schema: written,
  config: z.union([z.int().positive(), written]),
  what: "a size such as 500MB or 20GB",
};

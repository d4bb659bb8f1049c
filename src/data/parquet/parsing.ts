/** @file What hyparquet throws about bytes that are damaged, as errors of this program. */

import { InputError, messageOf } from "../../core/errors.js";

/** The result of `body`; whatever it throws becomes an InputError about `where`. */
export function parsing<T>(where: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw damaged(where, error);
  }
}

export function damaged(where: string, error: unknown): InputError {
  if (error instanceof InputError) return error;
  // hyparquet trusts what it reads, so that its TypeErrors and RangeErrors say nothing about the file.
  const stumbled = error instanceof TypeError || error instanceof RangeError;
  const message = stumbled ? `${where} is damaged` : `${where} is damaged or not supported (${messageOf(error)})`;
  return new InputError(message, { cause: error });
}

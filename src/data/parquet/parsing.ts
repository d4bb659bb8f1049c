/** @file Converts hyparquet's errors about damaged bytes to InputErrors. */

import { InputError, messageOf } from "../../core/errors.js";

/** Returns the result of `body`; anything it throws becomes an InputError about `where`. */
export function parsing<T>(where: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw damaged(where, error);
  }
}

export function damaged(where: string, error: unknown): InputError {
  if (error instanceof InputError) return error;
  // hyparquet does not validate its input, so its TypeErrors and RangeErrors say nothing about the file.
  const uninformative = error instanceof TypeError || error instanceof RangeError;
  const message = uninformative ? `${where} is damaged` : `${where} is damaged or not supported (${messageOf(error)})`;
  return new InputError(message, { cause: error });
}

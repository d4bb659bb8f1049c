/** @file Validates file names inside data sets: relative to a folder and inside it. */

import { posix, win32 } from "node:path";
import { InputError } from "../core/errors.js";
import { hasImageExtension, readableFormats } from "./image-format.js";

/** The normalised path, with `/`, of an image inside a folder. Throws an InputError that starts with `where`. */
export function relativeImagePath(name: string, where: string): string {
  const shown = JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}...` : name);
  if (name === "" || /\p{Cc}/u.test(name)) throw new InputError(`${where}: file_name ${shown} is not a file name`);
  if (posix.isAbsolute(name) || win32.isAbsolute(name) || /^[a-z]:/i.test(name)) {
    throw new InputError(`${where}: file_name ${shown} must be relative to the folder`);
  }
  if (name.split(/[/\\]/).includes("..")) throw new InputError(`${where}: file_name ${shown} leaves the folder`);
  if (!hasImageExtension(name)) throw new InputError(`${where}: file_name ${shown} is not a ${readableFormats} file`);
  return posix.normalize(name);
}

/** @file File names that data sets write down: relative to a folder, and never out of it. */

import { posix, win32 } from "node:path";
import { InputError } from "../core/errors.js";
import { hasImageExtension, readableFormats } from "./image-format.js";

/** The normalised path, with `/`, of an image inside a folder; `where` names the place in messages. */
export function imagePathInside(name: string, where: string): string {
  const shown = JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}...` : name);
  if (name === "" || /\p{Cc}/u.test(name)) throw new InputError(`${where}: file_name ${shown} is no file name`);
  if (posix.isAbsolute(name) || win32.isAbsolute(name) || /^[a-z]:/i.test(name)) {
    throw new InputError(`${where}: file_name ${shown} must be relative to the folder`);
  }
  if (name.split(/[/\\]/).includes("..")) throw new InputError(`${where}: file_name ${shown} leaves the folder`);
  if (!hasImageExtension(name)) throw new InputError(`${where}: file_name ${shown} is not a ${readableFormats} file`);
  return posix.normalize(name);
}

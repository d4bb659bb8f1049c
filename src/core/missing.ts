/** @file Absent files, told apart from files that cannot be read. */

import type { Stats } from "node:fs";
import { stat } from "node:fs/promises";
import { InputError, messageOf } from "./errors.js";

/** Whether a file system call failed because its path does not exist; every other failure says nothing about that. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}

/** A handler for `.catch`: returns `value` for a path that does not exist, and throws every other error. */
export function ifMissing<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (isMissing(error)) return value;
    throw error;
  };
}

/** Returns null for a path that does not exist. Throws an InputError if that cannot be determined. */
export async function statOrNull(path: string): Promise<Stats | null> {
  try {
    return await stat(path);
  } catch (error) {
    if (isMissing(error)) return null;
    throw new InputError(`cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}

/** Whether `path` exists and is a file. */
export async function isFile(path: string): Promise<boolean> {
  return (await statOrNull(path))?.isFile() ?? false;
}

/** Whether `path` exists and is a folder. */
export async function isFolder(path: string): Promise<boolean> {
  return (await statOrNull(path))?.isDirectory() ?? false;
}

/** Whether a failed read, or one that `error` was caused by, says nothing about the content: no permission, too many open files ... */
export function isUnreadable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const failed = "syscall" in error && !isMissing(error) && !("code" in error && error.code === "EISDIR");
  return failed || isUnreadable(error.cause);
}

/** @file Finds an installed OpenVINO C library; softrepa does not ship it. */

import { existsSync, readdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Names a file or a folder by its absolute path; if it is set, no other folder is searched. */
export const libraryVariable = "OPENVINO_LIB";

/**
 * Returns the absolute path of the library, or null. Loading it runs its code, so that only fixed places are searched: those
 * that environment variables name absolutely, the system's, and this package's own installation, never the working folder or
 * its parents.
 */
export function findOpenVino(environment: NodeJS.ProcessEnv = process.env): string | null {
  const named = environment[libraryVariable];
  if (named && !isAbsolute(named)) return null;
  if (named) return existsSync(named) && statSync(named).isFile() ? named : libraryIn(named);
  for (const folder of defaultFolders(environment).filter((one) => isAbsolute(one))) {
    const file = libraryIn(folder);
    if (file !== null) return file;
  }
  return null;
}

function defaultFolders(environment: NodeJS.ProcessEnv): readonly string[] {
  const { INTEL_OPENVINO_DIR: archive, VIRTUAL_ENV: python, CONDA_PREFIX: conda } = environment;
  const archives = [
    ...(archive ? [archive] : []),
    ...(process.platform === "win32" ? entriesIn("C:\\Program Files (x86)\\Intel", /^openvino/) : []),
    ...entriesIn("/opt/intel", /^openvino/),
  ];
  const prefixes = [python, conda, join(homedir(), ".local"), "/usr/local", "/usr"];
  const wheels = prefixes.flatMap((prefix) => (prefix ? sitePackages(prefix) : []));
  return [
    ...archives.flatMap(archiveFolders),
    ...wheels.map((folder) => join(folder, "openvino", "libs")),
    ...(conda ? [join(conda, "lib")] : []),
    ...nodePackage(),
    ...(process.platform === "win32"
      ? []
      : ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/local/lib", "/usr/lib"]),
    ...(process.platform === "darwin" ? ["/opt/homebrew/lib"] : []),
  ];
}

/** The vendor's archive has libraries by processor: runtime/lib/intel64, and on Windows runtime\bin\intel64\Release. */
function archiveFolders(archive: string): readonly string[] {
  const kinds = [
    ...entriesIn(join(archive, "runtime", "lib"), /./),
    ...entriesIn(join(archive, "runtime", "bin"), /./),
  ];
  return kinds.flatMap((folder) => [folder, join(folder, "Release")]);
}

function sitePackages(prefix: string): readonly string[] {
  const versions = entriesIn(join(prefix, "lib"), /^python3/).flatMap((folder) =>
    // Debian uses dist-packages.
    ["site-packages", "dist-packages"].map((packages) => join(folder, packages)),
  );
  return [...versions, join(prefix, "Lib", "site-packages")];
}

/** The official openvino-node installed inside this package or beside it in one node_modules. */
function nodePackage(): readonly string[] {
  const root = fileURLToPath(new URL("../../..", import.meta.url)).replace(/[/\\]$/, "");
  const beside = basename(dirname(root)) === "node_modules" ? [dirname(root)] : [];
  return [join(root, "node_modules"), ...beside].map((folder) => join(folder, "openvino-node", "bin"));
}

/** The newest library in `folder`, or null. */
function libraryIn(folder: string): string | null {
  const files = entriesIn(folder, /^(lib)?openvino_c\.(so|dll|dylib)(\.\d+)*$|^libopenvino_c\.\d+\.dylib$/);
  return files[0] ?? null;
}

function entriesIn(folder: string, name: RegExp): readonly string[] {
  try {
    const found = readdirSync(folder).filter((entry) => name.test(entry));
    return found.sort((a, b) => b.localeCompare(a, "en", { numeric: true })).map((entry) => join(folder, entry));
  } catch {
    return [];
  }
}

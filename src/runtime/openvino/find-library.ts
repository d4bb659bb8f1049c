/** @file Finds an installed OpenVINO C library; softrepa does not ship it. */

import { existsSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/** The environment variable for the library's file or folder; if set, no other place is searched. */
export const libraryVariable = "OPENVINO_LIB";

/** The path of the library's file; null if there is none. */
export function findOpenVino(environment: NodeJS.ProcessEnv = process.env): string | null {
  const named = environment[libraryVariable];
  if (named) return existsSync(named) && statSync(named).isFile() ? named : libraryIn(named);
  for (const folder of defaultFolders(environment)) {
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

/** The official openvino-node package, if its install script has downloaded the binaries. */
function nodePackage(): readonly string[] {
  try {
    const { resolve } = createRequire(join(process.cwd(), "package.json"));
    return [join(dirname(resolve("openvino-node/package.json")), "bin")];
  } catch {
    return [];
  }
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

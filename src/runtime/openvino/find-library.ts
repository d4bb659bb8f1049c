/** @file Where OpenVINO's C library is, if it is installed: softrepa does not ship it. */

import { existsSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/** Names a file or a folder; it alone is looked at when it is set. */
export const libraryVariable = "OPENVINO_LIB";

/** The file's path; null where there is none. */
export function findOpenVino(environment: NodeJS.ProcessEnv = process.env): string | null {
  const named = environment[libraryVariable];
  if (named) return existsSync(named) && statSync(named).isFile() ? named : libraryIn(named);
  for (const folder of usualFolders(environment)) {
    const file = libraryIn(folder);
    if (file !== null) return file;
  }
  return null;
}

function usualFolders(environment: NodeJS.ProcessEnv): readonly string[] {
  const { INTEL_OPENVINO_DIR: archive, VIRTUAL_ENV: python, CONDA_PREFIX: conda } = environment;
  const archives = [
    ...(archive ? [archive] : []),
    ...(process.platform === "win32" ? below("C:\\Program Files (x86)\\Intel", /^openvino/) : []),
    ...below("/opt/intel", /^openvino/),
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

/** The vendor's archive keeps libraries by processor: runtime/lib/intel64, and on Windows runtime\bin\intel64\Release. */
function archiveFolders(archive: string): readonly string[] {
  const kinds = [...below(join(archive, "runtime", "lib"), /./), ...below(join(archive, "runtime", "bin"), /./)];
  return kinds.flatMap((folder) => [folder, join(folder, "Release")]);
}

function sitePackages(prefix: string): readonly string[] {
  const versions = below(join(prefix, "lib"), /^python3/).flatMap((folder) =>
    // Debian's name of the folder, and everyone else's.
    ["site-packages", "dist-packages"].map((packages) => join(folder, packages)),
  );
  return [...versions, join(prefix, "Lib", "site-packages")];
}

/** The official openvino-node, where its install script has fetched the binaries. */
function nodePackage(): readonly string[] {
  try {
    const { resolve } = createRequire(join(process.cwd(), "package.json"));
    return [join(dirname(resolve("openvino-node/package.json")), "bin")];
  } catch {
    return [];
  }
}

/** The newest first. */
function libraryIn(folder: string): string | null {
  const files = below(folder, /^(lib)?openvino_c\.(so|dll|dylib)(\.\d+)*$|^libopenvino_c\.\d+\.dylib$/);
  return files[0] ?? null;
}

function below(folder: string, name: RegExp): readonly string[] {
  try {
    const found = readdirSync(folder).filter((entry) => name.test(entry));
    return found.sort((a, b) => b.localeCompare(a, "en", { numeric: true })).map((entry) => join(folder, entry));
  } catch {
    return [];
  }
}

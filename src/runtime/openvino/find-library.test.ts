import assert from "node:assert/strict";
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import { after, describe, it } from "node:test";
import { findOpenVino, libraryVariable } from "./find-library.js";

const folder = await realpath(await mkdtemp(join(tmpdir(), "softrepa-find-")));
after(() => rm(folder, { recursive: true, force: true }));

async function place(...path: readonly string[]): Promise<string> {
  const file = join(folder, ...path);
  await mkdir(join(file, ".."), { recursive: true });
  await writeFile(file, "");
  return file;
}

describe("OpenVINO's library", () => {
  it("is the file that the variable names, or the newest one in the folder that it names", async () => {
    await place("named", "libopenvino_c.so.2541");
    const newest = await place("named", "libopenvino_c.so.2641");
    await place("named", "libopenvino.so.2641");
    await place("named", "libopenvino_c_other.so");
    assert.equal(findOpenVino({ [libraryVariable]: join(folder, "named") }), newest);
    assert.equal(findOpenVino({ [libraryVariable]: newest }), newest);
  });
  it("is searched nowhere else if the variable is set", async () => {
    const wheel = await place("env", "lib", "python3.12", "site-packages", "openvino", "libs", "libopenvino_c.so.2641");
    assert.equal(findOpenVino({ [libraryVariable]: join(folder, "empty"), VIRTUAL_ENV: join(folder, "env") }), null);
    assert.equal(findOpenVino({ VIRTUAL_ENV: join(folder, "env") }), wheel);
  });
  it("is found in the vendor's archive before Python's packages", async () => {
    const archived = await place("archive", "runtime", "lib", "intel64", "libopenvino_c.so");
    const environment = { INTEL_OPENVINO_DIR: join(folder, "archive"), VIRTUAL_ENV: join(folder, "env") };
    assert.equal(findOpenVino(environment), archived);
  });
  it("is never found in the working folder or its parents, nor by a relative path", async () => {
    const planted = await place("data", "node_modules", "openvino-node", "bin", "libopenvino_c.so");
    await place("data", "node_modules", "openvino-node", "package.json");
    await place("data", "images", "lib", "python3.12", "site-packages", "openvino", "libs", "libopenvino_c.so");
    await place("data", "images", "runtime", "lib", "intel64", "libopenvino_c.so");
    await place("data", "images", "libopenvino_c.so");
    const before = process.cwd();
    process.chdir(join(folder, "data", "images"));
    try {
      assert.notEqual(findOpenVino({}), planted);
      for (const value of [".", "libopenvino_c.so", "./libopenvino_c.so"]) {
        assert.equal(findOpenVino({ [libraryVariable]: value }), null, value);
      }
      for (const name of ["VIRTUAL_ENV", "CONDA_PREFIX", "INTEL_OPENVINO_DIR"]) {
        assert.ok(!findOpenVino({ [name]: "." })?.startsWith(join(folder, "data")), name);
        assert.equal(isAbsolute(findOpenVino({ [name]: "." }) ?? "/"), true, name);
      }
    } finally {
      process.chdir(before);
    }
  });
});

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { InputError } from "../../core/errors.js";
import { readStatistics, writeStatistics } from "./npz.js";

/** Written by numpy 2.4: mu = [0, 1/4, 1/2], sigma = [[2, 1, 0], [1, 3, 1/2], [0, 1/2, 1]]. */
const fixture = (name: string) => join(process.cwd(), "test", "fixtures", "fid", name);

describe("statistics files", () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "softrepa-npz-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it("of numpy, compressed and not, in single and double precision", async () => {
    for (const name of ["statistics.npz", "float32.npz"]) {
      const { mean, covariance, count } = await readStatistics(fixture(name));
      assert.deepEqual([...mean], [0, 0.25, 0.5]);
      assert.deepEqual([covariance.size, [...covariance.data]], [3, [2, 1, 0, 1, 3, 0.5, 0, 0.5, 1]]);
      assert.equal(count, null);
    }
  });

  it("are written so that they come back, the same bytes each time", async () => {
    const [one, two] = [join(folder, "one.npz"), join(folder, "two.npz")];
    const statistics = await readStatistics(fixture("statistics.npz"));
    await writeStatistics(one, statistics);
    await writeStatistics(two, statistics);
    assert.deepEqual(await readStatistics(one), statistics);
    assert.deepEqual(await readFile(one), await readFile(two));
  });

  it("that are none are named in one line", async () => {
    const text = join(folder, "text.npz");
    await writeFile(text, "mu and sigma");
    for (const [file, pattern] of [
      [text, /text\.npz is no \.npz file/],
      [fixture("other.npz"), /other\.npz holds no mu and sigma/],
      [fixture("unfit.npz"), /mu and sigma are \[3\] and \[2,3\]/],
      [fixture("fortran.npz"), /sigma is no array that can be read: it is not in C order/],
      [join(folder, "nowhere.npz"), /cannot read .*nowhere/],
    ] as const) {
      await assert.rejects(
        () => readStatistics(file),
        (error) => error instanceof InputError && pattern.test(error.message) && !error.message.includes("\n"),
      );
    }
  });
});

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { z } from "zod";
import { InputError, UsageError } from "../core/errors.js";
import { floatTensor } from "../core/tensor.js";
import { assertClose, checkScheduler, noNoise, parity } from "../testing/schedulers/contract.js";
import { diffusionSchedulers, schedulerFromConfig } from "./by-name.js";
import { type DiffusionConfig, parseDiffusionConfig } from "./diffusion-config.js";
import { noiseSchedule } from "./noise-schedule.js";
import { noisySample } from "./noisy-sample.js";

const open = async (family: string): Promise<DiffusionConfig> => {
  const file = join(parity, family, "pipeline/scheduler/scheduler_config.json");
  return parseDiffusionConfig(JSON.parse(await readFile(file, "utf8")), file);
};

for (const family of ["sd15", "sdxl"]) {
  for (const [name, golden, atol] of [
    ["ddim", "ddim", 2e-5],
    ["pndm", "pndm", 2e-5],
    ["euler", "euler", 2e-5],
    ["dpmpp-2m-karras", "dpmpp2m", 1e-4],
  ] as const) {
    describe(`${name} from the file of ${family}`, () => {
      const file = join(parity, family, `scheduler-${golden}.safetensors`);
      checkScheduler(async () => diffusionSchedulers[name](await open(family)), file, 7, atol);
    });
  }
}

const numbers = z.array(z.number());
const table = z.array(numbers);
/** Results of diffusers' schedulers on samples of two values; see test/fixtures/schedulers/README.md. */
const fixture = z
  .object({
    steps: z.array(
      z.object({
        kind: z.enum(["ddim", "pndm", "euler", "euler-ancestral", "dpmpp2m", "dpmpp2m-karras"]),
        config: z.record(z.string(), z.unknown()),
        steps: z.number(),
        initialScale: z.number(),
        timesteps: numbers,
        sigmas: numbers.optional(),
        outputs: table,
        noises: table.optional(),
        scaled: table,
        samples: table,
      }),
    ),
    training: z.array(
      z.object({
        config: z.record(z.string(), z.unknown()),
        timestep: z.number(),
        alpha: z.number(),
        clean: numbers,
        noise: numbers,
        sample: numbers,
        target: numbers,
      }),
    ),
  })
  .parse(JSON.parse(await readFile(join(parity, "../schedulers/diffusers.json"), "utf8")));

const names = { dpmpp2m: "dpmpp-2m", "dpmpp2m-karras": "dpmpp-2m-karras" } as const;
const vector = (values: readonly number[]) => floatTensor([values.length], Float32Array.from(values));
const at = (lists: readonly (readonly number[])[], index: number) => vector(lists[index] ?? []);

describe("schedulers agree with diffusers", () => {
  for (const { kind, config, steps, ...expected } of fixture.steps) {
    const { _class_name, ...settings } = config;
    it(`${kind}, ${steps} steps, ${JSON.stringify(settings)}`, () => {
      const name = kind === "dpmpp2m" || kind === "dpmpp2m-karras" ? names[kind] : kind;
      const run = diffusionSchedulers[name](parseDiffusionConfig(config)).start(steps);
      assertClose(vector(run.timesteps), vector(expected.timesteps), 2e-3, 1e-6);
      const sigmas = run.levels.map(({ sigma }) => sigma);
      if (expected.sigmas) assertClose(vector(sigmas), vector(expected.sigmas), 1e-6, 1e-5);
      assertClose(vector([run.initialScale]), vector([expected.initialScale]), 0, 1e-6);
      const [first, ...later] = expected.samples.map(vector);
      assert.ok(first);
      let state = run.begin(first);
      for (const [index, sample] of later.entries()) {
        assertClose(run.modelInput(state), at(expected.scaled, index), 2e-4, 2e-4);
        const { noises } = expected;
        state = run.step(state, at(expected.outputs, index), noises ? () => at(noises, index) : noNoise);
        assertClose(state.sample, sample, 2e-4, 2e-4);
      }
    });
  }

  for (const { config, timestep, alpha, clean, noise, sample, target } of fixture.training) {
    it(`adds noise at ${timestep}, ${JSON.stringify(config).slice(0, 120)}`, () => {
      const schedule = noiseSchedule(parseDiffusionConfig(config));
      assertClose(vector([schedule.alphas[timestep] ?? Number.NaN]), vector([alpha]), 1e-7, 1e-6);
      const noisy = noisySample(schedule, vector(clean), vector(noise), timestep);
      assertClose(noisy.sample, vector(sample), 1e-6, 1e-5);
      assertClose(noisy.target, vector(target), 1e-6, 1e-5);
    });
  }

  it("starts image-to-image at the timesteps of diffusers' pipelines", async () => {
    const rows = z.object({
      rows: z.array(
        z.object({
          steps: z.number(),
          steps_run: z.number(),
          first_timestep: z.number().nullable(),
        }),
      ),
    });
    const file = join(parity, "../schedulers/strength-unet.json");
    const scheduler = diffusionSchedulers.ddim(await open("sd15"));
    for (const { steps, steps_run, first_timestep } of rows.parse(JSON.parse(await readFile(file, "utf8"))).rows) {
      const { timesteps } = scheduler.start(steps, { from: steps - steps_run });
      assert.deepEqual([timesteps.length, timesteps[0] ?? null], [steps_run, first_timestep]);
    }
  });

  it("adds noise for image-to-image as in training at the same timestep", async () => {
    const config = await open("sd15");
    const [clean, noise] = [vector([0.3, -2]), vector([1.5, 0.2])];
    for (const name of ["ddim", "pndm", "euler", "euler-ancestral", "dpmpp-2m"] as const) {
      const scheduler = diffusionSchedulers[name](config);
      const run = scheduler.start(10, { from: 4 });
      const [timestep = Number.NaN] = run.timesteps;
      const input = run.modelInput(run.begin(run.addNoise(clean, noise)));
      assertClose(input, noisySample(scheduler, clean, noise, timestep).sample, 1e-6, 1e-5);
    }
  });

  it("rejects the inverse of an ancestral run", async () => {
    const scheduler = diffusionSchedulers["euler-ancestral"](await open("sd15"));
    assert.throws(() => scheduler.startInverse(4), { name: "UsageError", message: /^Euler a adds noise .*use euler/ });
  });

  it("clips clean samples in inverse runs too", () => {
    const scheduler = diffusionSchedulers.ddim(parseDiffusionConfig({ _class_name: "DDIMScheduler" }));
    const run = scheduler.startInverse(4);
    const { sample } = run.step(run.begin(vector([9])), vector([0]), noNoise);
    assertClose(sample, vector([run.levels[1]?.signal ?? 0]), 1e-6, 0);
  });
});

describe("scheduler_config.json", () => {
  const plain = { _class_name: "EulerDiscreteScheduler", beta_schedule: "scaled_linear" };

  it("selects its scheduler, or is rejected", () => {
    const titleOf = (changes: object) =>
      schedulerFromConfig(parseDiffusionConfig({ ...plain, ...changes }), "x.json").title;
    assert.equal(titleOf({}), "Euler");
    assert.equal(titleOf({ use_karras_sigmas: true }), "Euler Karras");
    assert.equal(titleOf({ _class_name: "EulerAncestralDiscreteScheduler" }), "Euler a");
    assert.equal(titleOf({ _class_name: "PNDMScheduler", skip_prk_steps: true }), "PLMS");
    assert.equal(titleOf({ _class_name: "DDIMScheduler" }), "DDIM");
    assert.equal(titleOf({ _class_name: "DPMSolverMultistepScheduler", use_karras_sigmas: true }), "DPM++ 2M Karras");
    assert.throws(
      () => titleOf({ _class_name: "UniPCMultistepScheduler" }),
      (error) =>
        error instanceof InputError && /x\.json names UniPCMultistepScheduler: choose one of/.test(error.message),
    );
    for (const [key, value] of Object.entries({
      algorithm_type: "sde-dpmsolver++",
      solver_order: 3,
      solver_type: "heun",
      lambda_min_clipped: -5.1,
    })) {
      const config = { _class_name: "DPMSolverMultistepScheduler", [key]: value };
      const message = `x.json names DPMSolverMultistepScheduler with ${key} ${value}: choose one of ddim, `;
      assert.throws(
        () => titleOf(config),
        (error) => error instanceof InputError && error.message.startsWith(message),
      );
      assert.equal(diffusionSchedulers["dpmpp-2m"](parseDiffusionConfig(config)).title, "DPM++ 2M");
    }
  });

  it("uses the defaults of its class or of Stable Diffusion for missing settings", () => {
    const output = floatTensor([1], Float32Array.of(3));
    const sample = floatTensor([1], Float32Array.of(-9));
    const last = (config: object) => {
      const run = diffusionSchedulers.ddim(parseDiffusionConfig(config)).start(1);
      return run.step(run.begin(sample), output, noNoise).sample.data[0] ?? Number.NaN;
    };
    // A file of DDIM ends at zero noise, with x_0 clipped to -1..1.
    assert.equal(last({ ...plain, _class_name: "DDIMScheduler", timestep_spacing: "trailing" }), -1);
    assert.ok(last({ ...plain, timestep_spacing: "trailing" }) < -1);
  });

  it("rejects unsupported settings by name", () => {
    const cases: [object, RegExp][] = [
      [{ _class_name: "EDMEulerScheduler" }, /: _class_name: not supported here, only DDIMScheduler, /],
      [{ prediction_type: "sample" }, /: prediction_type: not supported$/],
      [{ beta_schedule: "sigmoid" }, /: beta_schedule: not supported$/],
      [{ use_exponential_sigmas: true }, /: use_exponential_sigmas: not supported$/],
      [{ use_beta_sigmas: true }, /: use_beta_sigmas: not supported$/],
      [{ thresholding: true }, /: thresholding: not supported$/],
      [{ timestep_type: "continuous" }, /: timestep_type: not supported$/],
      [{ timestep_spacing: "cosine" }, /: timestep_spacing: not supported$/],
      [{ num_train_timesteps: 0 }, /: num_train_timesteps: /],
      [{ trained_betas: [2] }, /: trained_betas: 0: /],
    ];
    for (const [changes, message] of cases) {
      assert.throws(
        () => parseDiffusionConfig({ ...plain, ...changes }, "x.json"),
        (error) => error instanceof InputError && message.test(error.message) && error.message.startsWith("x.json: "),
      );
    }
    assert.throws(
      () => diffusionSchedulers.pndm(parseDiffusionConfig({ _class_name: "PNDMScheduler" })),
      (error) => error instanceof InputError && /skip_prk_steps/.test(error.message),
    );
  });

  it("rejects more steps than timesteps", () => {
    const config = parseDiffusionConfig({
      ...plain,
      num_train_timesteps: 20,
      timestep_spacing: "leading",
      steps_offset: 1,
    });
    for (const [name, create] of Object.entries(diffusionSchedulers)) {
      assert.ok(create(config).start(10).timesteps.length >= 10, name);
      assert.throws(() => create(config).start(21), UsageError, name);
    }
    for (const name of ["ddim", "pndm", "euler"] as const) {
      assert.throws(
        () => diffusionSchedulers[name](config).start(20),
        (error) => error instanceof UsageError && /^20 steps lead to timestep 20 of 20: use fewer/.test(error.message),
      );
    }
    assert.throws(() => diffusionSchedulers["dpmpp-2m"](config).start(20), UsageError);
  });
});

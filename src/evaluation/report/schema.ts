/** @file What a report holds: report.json is exactly this. Every section may be missing; what did not run is named, never 0. */

import { z } from "zod";
import { InputError } from "../../core/errors.js";
import { comparisonSchema, estimateSchema, metricSchema } from "../paired-comparison.js";
import { pngSize } from "./png-size.js";

const text = z.string().min(1);
const numbers = z.array(z.number());
const seconds = z.number().nonnegative();
const step = z.int().nonnegative();

const settingsSchema = z.strictObject({
  model: text.optional(),
  /** File of the soft tokens. */
  tokens: text.optional(),
  guidanceScale: z.number().optional(),
  /** Sampling steps. */
  steps: z.int().positive().optional(),
  seeds: z.array(z.int().nonnegative()).optional(),
  commandLine: text.optional(),
  /** Of softrepa. */
  version: text.optional(),
  further: z.array(z.strictObject({ name: text, value: z.string() })).optional(),
});
export type ReportSettings = z.infer<typeof settingsSchema>;

const costSchema = z.strictObject({
  phases: z.array(z.strictObject({ name: text, seconds })),
  peakMemoryBytes: z.number().positive().optional(),
  processor: text.optional(),
  threads: z.int().positive().optional(),
});
export type ReportCost = z.infer<typeof costSchema>;

const curveSchema = z
  .strictObject({
    /** "loss", "captions ranked first". */
    name: text,
    /** Shares are shown in percent, on an axis from 0 to 100. */
    kind: z.enum(["number", "share"]),
    steps: z.array(step).min(1),
    values: numbers,
  })
  .refine(({ steps, values }) => steps.length === values.length, "a curve needs one value a step");
export type Curve = z.infer<typeof curveSchema>;

const checkpointsSchema = z.strictObject({
  metric: metricSchema,
  panels: z
    .array(
      z.strictObject({
        category: text,
        /** The untrained variant's mean; null where it was not measured. */
        baseline: z.number().nullable(),
        points: z.array(z.strictObject({ step, estimate: estimateSchema })).min(1),
      }),
    )
    .min(1),
});
export type Checkpoints = z.infer<typeof checkpointsSchema>;

const similaritySchema = z
  .strictObject({
    /** What the numbers are: "mean denoising error". */
    measure: text,
    better: z.enum(["higher", "lower"]),
    captions: z.array(z.string()).min(1),
    /** Names of the images. */
    images: z.array(z.string()).min(1),
    /** Each image's own captions, as positions in `captions`; none where they are not known. */
    own: z.array(z.array(z.int().nonnegative())),
    /** values[image][caption], one matrix a variant. */
    matrices: z.array(z.strictObject({ name: text, values: z.array(numbers) })).min(1),
  })
  .refine(
    ({ captions, images, matrices }) =>
      matrices.every(
        ({ values }) => values.length === images.length && values.every((row) => row.length === captions.length),
      ),
    "each matrix needs a row an image and a column a caption",
  )
  .refine(
    ({ captions, images, own }) =>
      own.length === images.length && own.flat().every((caption) => caption < captions.length),
    "own captions must be given for each image and lie among the captions",
  );
export type Similarity = z.infer<typeof similaritySchema>;

const integrandSchema = z
  .strictObject({
    name: text,
    logSnr: numbers.min(1),
    values: numbers,
    standardErrors: numbers.optional(),
  })
  .refine(
    ({ logSnr, values, standardErrors }) =>
      values.length === logSnr.length && (standardErrors === undefined || standardErrors.length === logSnr.length),
    "an integrand needs one value, and one standard error if any, a log-SNR",
  );

const informationSchema = z.strictObject({
  unit: z.enum(["nats", "bits"]),
  estimates: z
    .array(z.strictObject({ name: text, value: z.number(), standardError: z.number().nonnegative().nullable() }))
    .min(1),
  integrands: z.array(integrandSchema).optional(),
  remark: text.optional(),
});
export type ReportedInformation = z.infer<typeof informationSchema>;

const measurementSchema = z.strictObject({
  metric: metricSchema,
  rows: z
    .array(
      z.strictObject({
        variant: text,
        /** A category, or "all". */
        label: text,
        images: z.int().positive(),
        estimate: estimateSchema,
      }),
    )
    .min(1),
  /** What it was compared with, and warnings; may be empty. */
  remark: z.string(),
});
export type ReportedMeans = z.infer<typeof measurementSchema>;

/** A PNG file as base64. */
const pngSchema = z.base64().refine((base64) => pngSize(base64) !== null, "not a PNG file in base64");

const imageSchema = z.strictObject({
  /** Null: not scored. */
  score: z.number().nullable(),
  /** The verdict's reason; may be empty. */
  reason: z.string(),
  png: pngSchema,
});

const gallerySchema = z
  .strictObject({
    metric: metricSchema,
    /** The baseline first. */
    variants: z.array(text).min(1),
    /** How these pairs were chosen among those measured: "all", "the first 20 of each category". */
    chosen: text,
    items: z
      .array(
        z.strictObject({
          prompt: z.string(),
          category: text,
          seed: z.int().nonnegative(),
          /** The image that the variants edited, shown first. */
          source: pngSchema.optional(),
          /** Of each variant. */
          images: z.array(imageSchema),
        }),
      )
      .min(1),
  })
  .refine(
    ({ variants, items }) => items.every(({ images }) => images.length === variants.length),
    "each item of a gallery needs an image of every variant",
  );
export type Gallery = z.infer<typeof gallerySchema>;
export type GalleryItem = Gallery["items"][number];

export const reportSchema = z.strictObject({
  format: z.literal("softrepa-report"),
  formatVersion: z.literal(1),
  title: text,
  /** When it was made, ISO 8601. */
  created: z.iso.datetime({ offset: true }),
  /** One sentence; `headlineOf` writes it. */
  headline: text.optional(),
  /** One a metric; the variants after the second are references. */
  comparisons: z.array(comparisonSchema).optional(),
  /** Means of variants that are not compared pair by pair: a single one's, distances, and numbers of whole sets such as FID. */
  measurements: z.array(measurementSchema).optional(),
  /** Metrics and sections that were left out or failed, and why. */
  notRun: z.array(z.strictObject({ name: text, reason: text })).optional(),
  settings: settingsSchema.optional(),
  cost: costSchema.optional(),
  curves: z.array(curveSchema).optional(),
  checkpoints: checkpointsSchema.optional(),
  similarity: similaritySchema.optional(),
  information: informationSchema.optional(),
  gallery: gallerySchema.optional(),
  notes: z.array(z.string()).optional(),
});
export type Report = z.infer<typeof reportSchema>;

/** `value` as a report, or one line that says where it is none; `origin` is the file or what else it came from. */
export function parseReport(value: unknown, origin: string): Report {
  const parsed = reportSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = issue.path.length > 0 ? ` at ${issue.path.join(".")}` : "";
  throw new InputError(`${origin} is not a softrepa report${place}: ${issue.message}`);
}

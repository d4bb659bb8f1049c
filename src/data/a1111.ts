/** @file Image settings in the text format of the Stable Diffusion web UI (AUTOMATIC1111), which galleries and tools read. */

/** The settings in the text; `extra` fields are appended under their own names. */
export interface ImageSettings {
  readonly prompt: string;
  readonly negative?: string;
  readonly steps: number;
  readonly sampler: string;
  readonly guidance: number;
  readonly seed: number;
  readonly width: number;
  readonly height: number;
  readonly model: string;
  readonly extra?: Readonly<Record<string, string | number>>;
}

/** Formats the text of the PNG keyword `parameters`. */
export function a1111Parameters(settings: ImageSettings): string {
  const { prompt, negative, extra = {}, ...known } = settings;
  const fields: Record<string, string | number> = {
    Steps: known.steps,
    Sampler: known.sampler,
    "CFG scale": known.guidance,
    Seed: known.seed,
    Size: `${known.width}x${known.height}`,
    Model: known.model,
    ...extra,
  };
  const last = Object.entries(fields).map(([name, value]) => `${name}: ${quoted(String(value))}`);
  const lines = [prompt, ...(negative ? [`Negative prompt: ${negative}`] : []), last.join(", ")];
  return lines.join("\n");
}

/** Quotes values with separators as JSON, as the web UI does. */
function quoted(text: string): string {
  return /[,:\n]/.test(text) ? JSON.stringify(text) : text;
}

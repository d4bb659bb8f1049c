/** @file Settings of an image as the Stable Diffusion web UI (AUTOMATIC1111) writes them, which galleries and tools read. */

/** What the text holds; `extra` fields follow in their order, under their own names. */
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

/** Text for the PNG keyword `parameters`. */
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

/** The web UI quotes as JSON what its parser would take for the next field. */
function quoted(text: string): string {
  return /[,:\n]/.test(text) ? JSON.stringify(text) : text;
}

/** @file A generated image with its settings. */

import type { FloatTensor } from "../core/tensor.js";
import { encodePng, savePng } from "../data/png.js";

/** The settings of one image, stored as JSON in its file. */
export type ImageSettings = Readonly<Record<string, unknown>> & { readonly prompt: string; readonly seed: number };

export class GeneratedImage {
  constructor(
    /** [3, height, width] in -1..1; not clamped. */
    readonly pixels: FloatTensor,
    readonly settings: ImageSettings,
    /** The settings in the format of the AUTOMATIC1111 web UI. */
    private readonly parameters: string,
  ) {}

  get prompt(): string {
    return this.settings.prompt;
  }

  get seed(): number {
    return this.settings.seed;
  }

  get height(): number {
    return this.pixels.shape[1] ?? 0;
  }

  get width(): number {
    return this.pixels.shape[2] ?? 0;
  }

  /** Encodes a PNG file that contains the settings. Equal requests give equal bytes. */
  png(): Promise<Uint8Array> {
    return encodePng(this.pixels, this.text);
  }

  /** Writes the PNG file atomically. */
  save(file: string): Promise<void> {
    return savePng(file, this.pixels, this.text);
  }

  private get text(): Readonly<Record<string, string>> {
    return { parameters: this.parameters, softrepa: JSON.stringify(this.settings) };
  }
}

/** @file The interface that encodes images to latents and decodes them, and the code that runs it, one image per run. */

import { type Abortable, throwIfAborted } from "../core/errors.js";
import { concatRows, type FloatTensor, rows } from "../core/tensor.js";
import { Graph } from "../graph/graph.js";
import type { Value } from "../graph/ir.js";
import { writeOnnx } from "../graph/onnx/writer.js";
import { input } from "../graph/ops.js";
import type { Engine } from "../runtime/engine.js";
import type { SessionCache } from "./session-cache.js";

export interface ImageCodec {
  /** Its name in messages. */
  readonly name: string;
  readonly imageChannels: number;
  readonly latentChannels: number;
  /** Image pixels per latent pixel, along each side (diffusers' vae_scale_factor). */
  readonly scaleFactor: number;
  /**
   * Adds the encoder to the graph of `images` [N, imageChannels, H, W] in -1..1; returns latents [N, latentChannels, H /
   * scaleFactor, W / scaleFactor], scaled for the denoiser: the mean of a posterior, or, with unit normal `noise` of the latents'
   * shape, a sample of it.
   */
  encode(images: Value, noise?: Value): Value;
  /** Adds the decoder: latents to images in -1..1, not clamped. */
  decode(latents: Value): Value;
  /** A hash of everything but the image that the latents depend on. */
  fingerprint(): Promise<string>;
}

export type CodecDirection = "encode" | "decode";

/** How images are encoded. */
export interface EncodeOptions extends Abortable {
  /** Unit normal noise [N, latentChannels, h, w], for a sample of the posterior instead of its mean. */
  readonly noise?: FloatTensor | undefined;
}

/** Encodes images or decodes latents [N, channels, height, width], one row per run. */
export async function runCodec(
  codec: ImageCodec,
  direction: CodecDirection,
  tensor: FloatTensor,
  engine: Engine,
  sessions: SessionCache,
  { signal, noise }: EncodeOptions = {},
): Promise<FloatTensor> {
  const [count = 0, ...shape] = tensor.shape;
  const session = await sessions.get(`vae:${direction}:1x${shape.join("x")}${noise ? ":noise" : ""}`, () => {
    const graph = new Graph();
    const draw = noise && input(graph, "noise", [1, ...noise.shape.slice(1)]);
    const output = codec[direction](input(graph, "x", [1, ...shape]), draw);
    return engine.compile(writeOnnx(graph, { output }, engine.target));
  });
  const results: FloatTensor[] = [];
  for (let index = 0; index < count; index++) {
    throwIfAborted(signal);
    const { output } = await session.run({
      x: rows(tensor, index, index + 1),
      ...(noise && { noise: rows(noise, index, index + 1) }),
    });
    results.push(output as FloatTensor);
  }
  return concatRows(results);
}

/** Adds the encoder or decoder for one square image of `size` x `size` pixels to `graph`. */
export function buildCodec(codec: ImageCodec, direction: CodecDirection, graph: Graph, size: number): Value {
  const side = size / codec.scaleFactor;
  switch (direction) {
    case "encode":
      return codec.encode(input(graph, "x", [1, codec.imageChannels, size, size]));
    case "decode":
      return codec.decode(input(graph, "x", [1, codec.latentChannels, side, side]));
  }
}

/** Builds both networks once, which throws if a weight is missing, misshapen or unused. */
export function checkCodec(codec: ImageCodec): void {
  for (const direction of ["encode", "decode"] as const) {
    buildCodec(codec, direction, new Graph(), 2 * codec.scaleFactor);
  }
}

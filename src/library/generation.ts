/** @file The images of one call of `generate`: awaited together, or iterated as they finish. */

import type { GeneratedImage } from "../sampling/generated-image.js";

/**
 * Sampling starts when the generation is awaited or iterated. It runs only once, so use one of the two ways.
 *
 * ```ts
 * const images = await model.generate(prompts);
 * for await (const image of model.generate(prompts)) await image.save(`${image.seed}.png`);
 * ```
 */
export class Generation implements AsyncIterable<GeneratedImage>, PromiseLike<[GeneratedImage, ...GeneratedImage[]]> {
  private all: Promise<[GeneratedImage, ...GeneratedImage[]]> | undefined;

  constructor(private readonly images: AsyncGenerator<GeneratedImage, void>) {}

  [Symbol.asyncIterator](): AsyncGenerator<GeneratedImage, void> {
    return this.images;
  }

  // biome-ignore lint/suspicious/noThenProperty: it is awaited like a promise, on purpose
  then<A = [GeneratedImage, ...GeneratedImage[]], B = never>(
    onFulfilled?: ((images: [GeneratedImage, ...GeneratedImage[]]) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.all ??= collect(this.images);
    return this.all.then(onFulfilled, onRejected);
  }
}

async function collect(images: AsyncGenerator<GeneratedImage, void>): Promise<[GeneratedImage, ...GeneratedImage[]]> {
  const all: GeneratedImage[] = [];
  for await (const image of images) all.push(image);
  const [first, ...others] = all;
  if (first === undefined) throw new Error("a generation has at least one image");
  return [first, ...others];
}

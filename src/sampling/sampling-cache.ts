/** @file A cache of compiled denoisers, soft token embeddings and prompt embeds across calls. */

import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import { PromptCache } from "../pipelines/prompt-cache.js";
import { SoftTokenEmbedding } from "../softtokens/embedding.js";
import type { SoftTokens } from "../softtokens/softtokens.js";
import { Sampler, type SamplerOptions } from "./sample.js";

export interface SamplingCacheOptions {
  /** Maximum number of compiled denoisers (default 2: with and without tokens). */
  readonly samplers?: number;
  /** Maximum bytes of prompt embeds (default 256 MiB). */
  readonly promptBytes?: number;
}

/** Options of a sampler with soft tokens that are not embedded yet; null for the plain model. */
export interface SamplerRequest extends Omit<SamplerOptions, "softTokens"> {
  readonly softTokens: SoftTokens | null;
  /** 0..1, the weight of the soft tokens' effect. */
  readonly strength: number;
}

interface Entry {
  readonly key: string;
  readonly sampler: Promise<Sampler>;
  readonly embedding: SoftTokenEmbedding | null;
  users: number;
}

export class SamplingCache {
  readonly prompts: PromptCache;
  private readonly limit: number;
  /** Least recently used first. */
  private entries: Entry[] = [];
  private readonly tokenIds = new WeakMap<SoftTokens, number>();
  private tokenCount = 0;
  private closed = false;

  constructor(
    private readonly pipeline: DiffusionPipeline,
    { samplers = 2, promptBytes = 2 ** 28 }: SamplingCacheOptions = {},
  ) {
    this.limit = samplers;
    this.prompts = new PromptCache(pipeline, promptBytes);
  }

  /** Calls `body` with a cached or newly compiled sampler. */
  async withSampler<T>(request: SamplerRequest, body: (sampler: Sampler) => Promise<T>): Promise<T> {
    const { sampler, release } = await this.lease(request);
    try {
      return await body(sampler);
    } finally {
      await release();
    }
  }

  /** Returns a sampler that stays compiled until it is released. */
  async lease(request: SamplerRequest): Promise<{ readonly sampler: Sampler; readonly release: () => Promise<void> }> {
    const entry = await this.acquire(request);
    const release = (): Promise<void> => {
      entry.users--;
      return this.evict(this.closed ? 0 : this.limit);
    };
    try {
      return { sampler: await entry.sampler, release };
    } catch (error) {
      this.entries = this.entries.filter((one) => one !== entry);
      await release();
      throw error;
    }
  }

  /** Frees all unused samplers; those in use are freed when their call ends. */
  async close(): Promise<void> {
    this.closed = true;
    await this.evict(0);
  }

  private async acquire({ softTokens, strength, ...options }: SamplerRequest): Promise<Entry> {
    const used = strength === 0 ? null : softTokens;
    const key = JSON.stringify([options, used && this.idOf(used), used && strength]);
    const known = this.entries.find((entry) => entry.key === key);
    if (known !== undefined) {
      known.users++;
      this.entries = [...this.entries.filter((entry) => entry !== known), known];
      return known;
    }
    const embedding = used && (await SoftTokenEmbedding.open(this.pipeline, used));
    const sampler = Sampler.open(this.pipeline, { ...options, softTokens: embedding && { embedding, strength } });
    const entry: Entry = { key, sampler, embedding, users: 1 };
    this.entries.push(entry);
    return entry;
  }

  private idOf(tokens: SoftTokens): number {
    const id = this.tokenIds.get(tokens) ?? ++this.tokenCount;
    this.tokenIds.set(tokens, id);
    return id;
  }

  private async evict(limit: number): Promise<void> {
    const free = this.entries.filter(({ users }) => users === 0);
    const evicted = free.slice(0, Math.max(0, this.entries.length - limit));
    this.entries = this.entries.filter((entry) => !evicted.includes(entry));
    for (const { sampler, embedding } of evicted) {
      await (await sampler).release();
      await embedding?.release();
    }
  }
}

/** @file A map that evicts its oldest entries beyond a number of bytes, except pinned ones. */

export class EncodingStore<T> {
  private readonly entries = new Map<string, T>();
  private pinned: ReadonlySet<string> = new Set();
  private bytes = 0;

  constructor(
    private readonly limit: number,
    private readonly sizeOf: (value: T) => number,
  ) {}

  get(key: string): T | undefined {
    return this.entries.get(key);
  }

  /** Keeps entries with these keys, whatever the limit, until the next call. */
  pin(keys: ReadonlySet<string>): void {
    this.pinned = keys;
  }

  /** Stores `value` unless `key` has one. */
  set(key: string, value: T): void {
    if (this.entries.has(key)) return;
    this.entries.set(key, value);
    this.bytes += this.sizeOf(value);
    for (const [oldest, old] of this.entries) {
      if (this.bytes <= this.limit) break;
      if (oldest === key || this.pinned.has(oldest)) continue;
      this.entries.delete(oldest);
      this.bytes -= this.sizeOf(old);
    }
  }
}

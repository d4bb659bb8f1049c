/** @file A map that forgets its oldest entries beyond a number of bytes, but none that are needed soon. */

export class EncodingStore<T> {
  private readonly entries = new Map<string, T>();
  private needed: ReadonlySet<string> = new Set();
  private bytes = 0;

  constructor(
    private readonly limit: number,
    private readonly sizeOf: (value: T) => number,
  ) {}

  get(key: string): T | undefined {
    return this.entries.get(key);
  }

  /** Entries of these keys stay, whatever the limit, until the next call. */
  need(keys: ReadonlySet<string>): void {
    this.needed = keys;
  }

  /** Keeps `value` if there is none under `key`. */
  set(key: string, value: T): void {
    if (this.entries.has(key)) return;
    this.entries.set(key, value);
    this.bytes += this.sizeOf(value);
    for (const [oldest, old] of this.entries) {
      if (this.bytes <= this.limit) break;
      if (oldest === key || this.needed.has(oldest)) continue;
      this.entries.delete(oldest);
      this.bytes -= this.sizeOf(old);
    }
  }
}

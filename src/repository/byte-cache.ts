/** The most recently used values, up to a number of bytes; one that is being made is made once. */
export class ByteCache<T = never> {
  readonly #bytesMax: number;
  // biome-ignore lint/suspicious/noExplicitAny: one cache holds what its callers ask for under disjoint keys.
  readonly #entries = new Map<string, { value: Promise<any>; bytes: number }>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get<V extends T | unknown>(key: string, make: () => Promise<{ value: V; bytes: number }>): Promise<V> {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known.value;
    }
    const made = make();
    const entry = { value: made.then(({ value }) => value), bytes: 0 };
    this.#entries.set(key, entry);
    made.then(
      ({ bytes }) => {
        if (this.#entries.get(key) !== entry) return;
        entry.bytes = bytes;
        this.#bytes += bytes;
        this.#shrink();
      },
      () => this.#entries.delete(key),
    );
    return entry.value;
  }

  #shrink(): void {
    for (const [key, entry] of this.#entries) {
      if (this.#bytes <= this.#bytesMax) return;
      if (entry.bytes === 0) continue;
      this.#entries.delete(key);
      this.#bytes -= entry.bytes;
    }
  }
}

/** Hands items over in order, from one who makes them to one who takes them; the maker waits while it is full. */
export class BoundedQueue<T> {
  readonly #limit: number;
  readonly #weigh: (item: T) => number;
  #weight = 0;
  readonly #items: T[] = [];
  #head = 0;
  #closed = false;
  #failure: { error: unknown } | undefined;
  #takerWaits: (() => void) | undefined;
  #makerWaits: (() => void) | undefined;

  /** @param limit the weight from which on it is full; an item weighs 1 unless `weigh` says otherwise */
  constructor(limit: number, weigh: (item: T) => number = () => 1) {
    this.#limit = limit;
    this.#weigh = weigh;
  }

  get length(): number {
    return this.#items.length - this.#head;
  }

  get isFull(): boolean {
    return this.#weight >= this.#limit;
  }

  /** Adds without waiting: call {@link room} first. */
  push(item: T): void {
    this.#items.push(item);
    this.#weight += this.#weigh(item);
    this.#wakeTaker();
  }

  /** Resolves when there is room; rejects once {@link fail} was called. */
  async room(): Promise<void> {
    while (this.isFull && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#makerWaits = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** No more items come. */
  close(): void {
    this.#closed = true;
    this.#wakeTaker();
  }

  /** Ends both sides with an error. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wakeTaker();
    this.#wakeMaker();
  }

  /** The next item; undefined when all were taken and the queue is closed. */
  async take(): Promise<T | undefined> {
    while (this.length === 0 && this.#failure === undefined) {
      if (this.#closed) return undefined;
      await new Promise<void>((resolve) => {
        this.#takerWaits = resolve;
      });
    }
    return this.poll();
  }

  /** The next item if it is there: most are, and a promise for each of millions costs more than its work. */
  poll(): T | undefined {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined as T;
    this.#weight -= this.#weigh(item);
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    if (!this.isFull) this.#wakeMaker();
    return item;
  }

  #wakeTaker(): void {
    const wake = this.#takerWaits;
    this.#takerWaits = undefined;
    wake?.();
  }

  #wakeMaker(): void {
    const wake = this.#makerWaits;
    this.#makerWaits = undefined;
    wake?.();
  }
}

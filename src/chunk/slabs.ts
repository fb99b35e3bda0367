/** Long files are read this many bytes at a time: two of the longest chunks. */
export const SCAN_BYTES = 8 * 1024 * 1024;
/** Small files are read this many bytes at a time. */
export const BATCH_BYTES = 2 * 1024 * 1024;
/** A shared chunk is full once it has this much; the last file to join may be half as long. */
export const GROUP_BYTES_TARGET = 1024 * 1024;
const GROUP_BYTES = GROUP_BYTES_TARGET + 512 * 1024;

/** The sizes of all memory that a pipeline with so many threads shares, and whose it is. */
export function sharedMemory(threads: number): { buffers: SharedArrayBuffer[]; scans: Slabs; batches: Slabs; groups: Slabs } {
  const buffers: SharedArrayBuffer[] = [];
  const make = (count: number, bytes: number) => {
    const first = buffers.length;
    for (let i = 0; i < count; i++) buffers.push(new SharedArrayBuffer(bytes));
    return new Slabs(first, count);
  };
  // Separate pools: a long file never waits for small ones that wait for it, nor either for a group.
  return { scans: make(threads + 2, SCAN_BYTES), batches: make(threads * 2 + 2, BATCH_BYTES), groups: make(threads * 2 + 4, GROUP_BYTES), buffers };
}

/**
 * Memory that all threads see, lent piece by piece: files are read into it by one worker and sealed out
 * of it by another, without a copy in between. How many slabs there are bounds what is in flight.
 */
export class Slabs {
  readonly #first: number;
  readonly #uses: number[];
  readonly #free: number[];
  readonly #waiting: ((slab: number) => void)[] = [];

  constructor(first: number, count: number) {
    this.#first = first;
    this.#uses = new Array<number>(count).fill(0);
    this.#free = this.#uses.map((_, i) => first + i).reverse();
  }

  /** A slab with one use; waits until one is free. */
  async acquire(): Promise<number> {
    const slab = this.#free.pop() ?? (await new Promise<number>((resolve) => this.#waiting.push(resolve)));
    this.#uses[slab - this.#first] = 1;
    return slab;
  }

  retain(slab: number): void {
    this.#uses[slab - this.#first]++;
  }

  release(slab: number): void {
    if (--this.#uses[slab - this.#first] > 0) return;
    const next = this.#waiting.shift();
    if (next !== undefined) next(slab);
    else this.#free.push(slab);
  }
}

import { GEAR_BYTES } from './cutter.ts';

/** Long files are read this many bytes at a time: what is left uncut, half a chunk on average, is read again. */
export const SCAN_BYTES = 6 * 1024 * 1024;
/** Small files are read this many bytes at a time. */
export const BATCH_BYTES = 2 * 1024 * 1024;
/** A shared chunk is full once it has this much; the last file to join may be half as long. */
export const GROUP_BYTES_TARGET = 1024 * 1024;
const GROUP_BYTES = GROUP_BYTES_TARGET + 512 * 1024;

/** Room for the headers and tags of sealed frames, which take the place of the chunks that they hold. */
const SLACK_BYTES = 64 * 1024;
const PAGE_BYTES = 64 * 1024;

/** A part of the shared memory. */
export interface SlabPlace {
  /** The address of its first byte. */
  readonly at: number;
  /** Bytes for data; the slack comes on top. */
  readonly length: number;
}

/** Where each slab lies, by number. */
export interface SharedMemory {
  readonly memory: WebAssembly.Memory;
  readonly places: readonly SlabPlace[];
}

/**
 * Memory that all threads see, lent piece by piece: files are read into it by one worker and sealed in
 * it by another, without a copy in between. How many slabs there are bounds what is in flight.
 */
export class Slabs {
  readonly #first: number;
  readonly #uses: number[];
  readonly #free: number[];
  readonly #waiting: ((slab: number) => void)[] = [];

  /** @param first the number of the first of `count` slabs */
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

/** Separate pools: who waits for memory of one never holds up who gives back that of another. */
export interface Pools {
  /** For long files. */
  readonly scans: Slabs;
  /** For small files. */
  readonly batches: Slabs;
  /** For a small file that is read once more, while every batch may wait for it. */
  readonly again: Slabs;
  /** For chunks that many files share. */
  readonly groups: Slabs;
}

/** The memory of a pipeline with so many threads, and the pools that lend it. */
export function layOut(threads: number): SharedMemory & Pools {
  const places: SlabPlace[] = [];
  let end = GEAR_BYTES;
  const make = (count: number, length: number) => {
    const first = places.length;
    for (let i = 0; i < count; i++) {
      places.push({ at: end, length });
      end += length + SLACK_BYTES;
    }
    return new Slabs(first, count);
  };
  const scans = make(threads + 3, SCAN_BYTES);
  const batches = make(threads * 2 + 1, BATCH_BYTES);
  const again = make(1, BATCH_BYTES);
  const groups = make(threads * 2 + 5, GROUP_BYTES);
  const pages = Math.ceil(end / PAGE_BYTES);
  return {
    memory: new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }),
    places,
    scans,
    batches,
    again,
    groups,
  };
}

/** The bytes of each slab, slack included. */
export function viewsOf({ memory, places }: SharedMemory): Uint8Array[] {
  return places.map(({ at, length }) => new Uint8Array(memory.buffer, at, length + SLACK_BYTES));
}

/** Data that a run makes for itself: random to a compressor, and the same in every run. */
import { createCipheriv, createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';

const SLICE = 2 ** 20;
const AES_BLOCK = 16;

/**
 * `length` bytes at `offset` of the endless random text named `seed`: the key stream of AES-128-CTR.
 * `offset` is a multiple of 16.
 */
export function randomText(seed: string, offset: number, length: number): Buffer {
  const key = createHash('sha256').update(seed).digest().subarray(0, 16);
  const counter = Buffer.alloc(16);
  counter.writeBigUInt64BE(BigInt(offset / AES_BLOCK), 8);
  return createCipheriv('aes-128-ctr', key, counter).update(Buffer.alloc(length));
}

/** Numbers from a seed, the same in every run (the stream of {@link randomText}, four bytes each). */
export class Dice {
  readonly #seed: string;
  #next = 0;
  #block: Buffer = Buffer.alloc(0);

  constructor(seed: string) {
    this.#seed = seed;
  }

  /** A whole number of at least 0 and below `limit`, which is at most 2^48. */
  below(limit: number): number {
    const at = (this.#next * 8) % 4096;
    if (at === 0) this.#block = randomText(this.#seed, this.#next * 8, 4096);
    this.#next++;
    return Math.floor((this.#block.readUIntBE(at, 6) / 2 ** 48) * limit);
  }

  /** `count` different members of `list` (all of them when it has no more), in random order. */
  pick<T>(list: readonly T[], count: number): T[] {
    const left = [...list];
    const picked: T[] = [];
    while (picked.length < count && left.length > 0) {
      const at = this.below(left.length);
      picked.push(left[at]!);
      left[at] = left.at(-1)!;
      left.pop();
    }
    return picked;
  }
}

/** Writes a new file with the first `length` bytes of the random text `seed`. */
export function writeRandomFile(path: string, seed: string, length: number): void {
  const file = openSync(path, 'wx');
  try {
    for (let at = 0; at < length; at += SLICE) {
      writeSync(file, randomText(seed, at, Math.min(SLICE, length - at)), 0, undefined, at);
    }
  } finally {
    closeSync(file);
  }
}

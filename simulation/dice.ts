import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

/**
 * Numbers that look random and follow from a seed: xoshiro128** of Blackman and Vigna ("Scrambled linear
 * pseudorandom number generators", 2021), its state filled by a Weyl sequence mixed as in MurmurHash3.
 */
export class Dice {
  readonly #state = new Uint32Array(4);

  constructor(seed: number) {
    let weyl = seed | 0;
    for (let i = 0; i < 4; i++) {
      weyl = (weyl + 0x9e3779b9) | 0;
      let mixed = Math.imul(weyl ^ (weyl >>> 16), 0x85ebca6b);
      mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
      this.#state[i] = mixed ^ (mixed >>> 16);
    }
    // The state of all zeros is the one that never leaves itself.
    if (this.#state.every((word) => word === 0)) this.#state[0] = 1;
  }

  /** 32 bits. */
  word(): number {
    const state = this.#state;
    const scrambled = Math.imul(rotated(Math.imul(state[1], 5), 7), 9) >>> 0;
    const shifted = state[1] << 9;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotated(state[3], 11);
    return scrambled;
  }

  /** From 0 to 1, without 1. */
  fraction(): number {
    return this.word() / 2 ** 32;
  }

  /** A whole number from 0 to `limit` − 1. */
  below(limit: number): number {
    return Math.floor(this.fraction() * limit);
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** From `least` to `most`, each order of magnitude as likely as another. */
  magnitude(least: number, most: number): number {
    return least * (most / least) ** this.fraction();
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let i = 0; i < length; i++) bytes[i] = this.word() & 0xff;
    return bytes;
  }
}

function rotated(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}

/**
 * Does `work` while everything in this process that asks Node for random bytes is given those of `dice`:
 * ids of sessions and runs, names of packs, keys. Key pairs for signatures stay OpenSSL's; nothing that a
 * schedule depends on follows from them.
 */
export async function withRandomBytesOf<T>(dice: Dice, work: () => Promise<T>): Promise<T> {
  const { randomBytes, randomInt, randomUUID } = crypto;
  const replaceBy = (functions: object) => {
    Object.assign(crypto, functions);
    syncBuiltinESMExports();
  };
  replaceBy({
    randomBytes: (length: number) => dice.bytes(length),
    randomInt: (limit: number) => dice.below(limit),
    randomUUID: () => dice.bytes(16).toString('hex'),
  });
  try {
    return await work();
  } finally {
    replaceBy({ randomBytes, randomInt, randomUUID });
  }
}

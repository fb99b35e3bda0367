import { timingSafeEqual } from 'node:crypto';
import { Blake3Hasher } from '@napi-rs/blake-hash';
import { bufferOf } from '../base/mod.ts';

export const DIGEST_LENGTH = 32;
const KEY_LENGTH = 32;

/**
 * BLAKE3 keyed with 32 bytes.
 *
 * One native hasher is kept and reset: making one costs several times as much as hashing a node.
 * The key is copied; the caller may clear it.
 */
export class KeyedHash {
  readonly #hasher: Blake3Hasher;

  constructor(key: Uint8Array) {
    // The native side ends the process when the length is wrong.
    if (key.length !== KEY_LENGTH)
      throw new RangeError(`a BLAKE3 key has ${KEY_LENGTH} bytes, not ${key.length}`);
    this.#hasher = Blake3Hasher.newKeyed(bufferOf(key));
  }

  /** 32 bytes over `parts` joined; the memory may be shared. */
  digest(...parts: Uint8Array[]): Buffer {
    return digestWith(this.#hasher, parts);
  }
}

const unkeyed = new Blake3Hasher();

/** Unkeyed BLAKE3, 32 bytes, over `parts` joined. */
export function digest(...parts: Uint8Array[]): Buffer {
  return digestWith(unkeyed, parts);
}

function digestWith(hasher: Blake3Hasher, parts: readonly Uint8Array[]): Buffer {
  hasher.reset();
  for (const part of parts) hasher.update(part);
  // Through text: a buffer of native memory costs three times as much, and again when it is collected.
  const digest = Buffer.alloc(DIGEST_LENGTH);
  digest.write(hasher.digest('hex'), 'hex');
  return digest;
}

/**
 * BLAKE3 in its derive-key mode.
 *
 * @param context a constant of this program, never data
 * @param material secret bytes of full entropy
 */
export function deriveKey(context: string, material: Uint8Array): Buffer {
  return Blake3Hasher.deriveKey(context, material);
}

/** Whether two keyed digests are equal, in time that does not tell where they differ. */
export function equalDigests(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

import { createHash } from 'node:crypto';

/** Bytes that nothing shrinks and that follow from `seed`. */
export function noise(length: number, seed: number): Buffer {
  return createHash('shake256', { outputLength: length }).update(String(seed)).digest();
}

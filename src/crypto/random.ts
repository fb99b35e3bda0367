import { randomBytes } from 'node:crypto';

/** Bytes that nobody can guess; tests and the simulation bring their own. */
export type RandomSource = (length: number) => Buffer;

export const systemRandom: RandomSource = (length) => randomBytes(length);

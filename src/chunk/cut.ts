import { CHUNK_BYTES_MAX } from '../format/mod.ts';

/** No chunk but a file's last is shorter: half of the average, so that half of all bytes need no hash. */
export const CUT_BYTES_MIN = 512 * 1024;
export const CUT_BYTES_TARGET = 1024 * 1024;

/** The rolling hash sees this many bytes: each step shifts the oldest out of its 32 bits. */
const WINDOW_BYTES = 32;

/** Twenty bits before the target and eighteen after it keep most chunks near it (FastCDC, 2016, §3.4). */
const MASK_BEFORE_TARGET = 0xfffff000 | 0;
const MASK_AFTER_TARGET = 0xffffc000 | 0;

/**
 * Where the chunk that begins at `start` ends: at a place that the bytes themselves choose, so that an
 * insertion moves the cuts with the data. Gear hash (Xia et al., FastCDC, USENIX ATC 2016) with a
 * secret table, so that chunk lengths do not tell which file it is. About 1 ns a byte looked at.
 *
 * @param gear 256 random 32-bit numbers, secret of the domain
 * @param end end of the bytes that are at hand
 * @param isLast whether the data ends there
 * @returns the end of the chunk, or −1 when it takes more bytes to tell
 */
export function cutAt(bytes: Uint8Array, start: number, end: number, isLast: boolean, gear: Uint32Array): number {
  const available = end - start;
  if (available <= CUT_BYTES_MIN) return isLast ? end : -1;
  const target = Math.min(end, start + CUT_BYTES_TARGET);
  const most = Math.min(end, start + CHUNK_BYTES_MAX);
  let at = start + CUT_BYTES_MIN - WINDOW_BYTES;
  let hash = 0;
  for (const warm = start + CUT_BYTES_MIN; at < warm; at++) hash = ((hash << 1) + gear[bytes[at]!]!) | 0;
  for (; at < target; at++) {
    hash = ((hash << 1) + gear[bytes[at]!]!) | 0;
    if ((hash & MASK_BEFORE_TARGET) === 0) return at + 1;
  }
  for (; at < most; at++) {
    hash = ((hash << 1) + gear[bytes[at]!]!) | 0;
    if ((hash & MASK_AFTER_TARGET) === 0) return at + 1;
  }
  if (available >= CHUNK_BYTES_MAX) return most;
  return isLast ? end : -1;
}

import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { EverfullError } from '../base/mod.ts';
import { Codec } from '../format/mod.ts';

export const COMPRESSION_MODES = ['off', 'fastest', 'auto', 'better', 'max'] as const;
export type CompressionMode = (typeof COMPRESSION_MODES)[number];

/**
 * zstd parameters. `auto` is level 2 with a hash table that fits a core's cache beside everything else:
 * 12 % faster than level 2 and 1 % larger; about what restic's default stores (docs/PERFORMANCE.md).
 */
const PARAMETERS: Record<Exclude<CompressionMode, 'off'>, Record<number, number>> = {
  fastest: { [constants.ZSTD_c_compressionLevel]: 1 },
  auto: { [constants.ZSTD_c_compressionLevel]: 2, [constants.ZSTD_c_hashLog]: 15 },
  better: { [constants.ZSTD_c_compressionLevel]: 6 },
  max: { [constants.ZSTD_c_compressionLevel]: 19 },
};

/** A first look at this much of the middle of a chunk tells what will not shrink. */
const PROBE_BYTES = 16 * 1024;
/** Below this a look costs as much as the work. */
const PROBE_FROM_BYTES = 128 * 1024;
/** Less gain than this is not worth the time to expand it again. */
const WORTH_IT = 0.97;

export interface Compressed {
  readonly codec: Codec;
  readonly body: Uint8Array;
}

/** `plain` in the form in which it is stored: zstd, or as it is when that gains nothing. */
export function compress(plain: Uint8Array, mode: CompressionMode): Compressed {
  if (mode === 'off' || plain.length < 64) return { codec: Codec.stored, body: plain };
  if (mode !== 'max' && plain.length >= PROBE_FROM_BYTES && !shrinks(plain))
    return { codec: Codec.stored, body: plain };
  const body = zstd(plain, PARAMETERS[mode]);
  return body.length < plain.length * WORTH_IT
    ? { codec: Codec.zstd, body }
    : { codec: Codec.stored, body: plain };
}

function zstd(plain: Uint8Array, params: Record<number, number>): Buffer {
  return zstdCompressSync(plain, { params, chunkSize: Math.max(1024, (plain.length >>> 1) + 512) });
}

/** Whether any of three short samples shrinks. */
function shrinks(plain: Uint8Array): boolean {
  for (const place of [0.5, 0.15, 0.85]) {
    const at = Math.floor((plain.length - PROBE_BYTES) * place);
    if (zstd(plain.subarray(at, at + PROBE_BYTES), PARAMETERS.fastest).length < PROBE_BYTES * WORTH_IT)
      return true;
  }
  return false;
}

/** @param plainLength what it must expand to: no more memory than that is used */
export function expand(codec: Codec, body: Uint8Array, plainLength: number): Uint8Array {
  if (codec === Codec.stored) {
    if (body.length !== plainLength) throw damaged();
    return body;
  }
  let plain: Buffer;
  try {
    plain = zstdDecompressSync(body, {
      maxOutputLength: Math.max(1, plainLength),
      chunkSize: Math.max(1024, plainLength + 64),
    });
  } catch (cause) {
    throw new EverfullError('damaged', 'Could not expand a frame: its zstd data is not sound', { cause });
  }
  if (plain.length !== plainLength) throw damaged();
  return plain;
}

function damaged(): EverfullError {
  return new EverfullError('damaged', 'Could not expand a frame: it has another length than it names');
}

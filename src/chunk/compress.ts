import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { EverfullError } from '../base/mod.ts';
import { Codec } from '../format/mod.ts';
import { type ZstdCompressor, ZstdParameter, zstdCompressor } from '../os/mod.ts';

export const COMPRESSION_MODES = ['off', 'fastest', 'auto', 'better', 'max'] as const;
export type CompressionMode = (typeof COMPRESSION_MODES)[number];

/**
 * zstd parameters. `auto` is level 2 with a hash table that fits a core's own cache: a quarter faster
 * than level 2 and 2 % larger; less than what restic's default stores (docs/decisions/0014-compression.md).
 */
const PARAMETERS: Record<Exclude<CompressionMode, 'off'>, readonly (readonly [number, number])[]> = {
  fastest: [[ZstdParameter.compressionLevel, 1]],
  auto: [
    [ZstdParameter.compressionLevel, 2],
    [ZstdParameter.windowLog, 19],
    [ZstdParameter.hashLog, 14],
  ],
  better: [[ZstdParameter.compressionLevel, 6]],
  max: [[ZstdParameter.compressionLevel, 19]],
};

/** A first look at this much of the middle of a chunk tells what will not shrink. */
const PROBE_BYTES = 8 * 1024;
/** Below this a look costs as much as the work. */
const PROBE_FROM_BYTES = 128 * 1024;
/** Less gain than this is not worth the time to expand it again. */
const WORTH_IT = 0.97;

export interface Compressed {
  readonly codec: Codec;
  readonly body: Uint8Array;
}

/** The last body; it grows to the longest plain bytes met. */
let memory = Buffer.alloc(0);
const compressors = new Map<CompressionMode, ZstdCompressor>();

/**
 * `plain` in the form in which it is stored: zstd, or as it is when that gains nothing. The body lies in
 * memory of its own, good until the next call.
 */
export function compress(plain: Uint8Array, mode: CompressionMode): Compressed {
  if (memory.length < plain.length) memory = Buffer.allocUnsafeSlow(plain.length);
  const isWorthTrying =
    mode !== 'off' &&
    plain.length >= 64 &&
    (mode === 'max' || plain.length < PROBE_FROM_BYTES || shrinks(plain));
  if (isWorthTrying) {
    const length = compressorOf(mode)(memory.subarray(0, Math.floor(plain.length * WORTH_IT)), plain);
    if (length !== undefined) return { codec: Codec.zstd, body: memory.subarray(0, length) };
  }
  memory.set(plain);
  return { codec: Codec.stored, body: memory.subarray(0, plain.length) };
}

function compressorOf(mode: Exclude<CompressionMode, 'off'>): ZstdCompressor {
  let compressor = compressors.get(mode);
  if (compressor === undefined) {
    compressor = zstdCompressor(PARAMETERS[mode]) ?? streamingCompressor(PARAMETERS[mode]);
    compressors.set(mode, compressor);
  }
  return compressor;
}

/** The same through `node:zlib`, with the same result but for the bytes of its frame header. */
export function streamingCompressor(parameters: readonly (readonly [number, number])[]): ZstdCompressor {
  const params = Object.fromEntries(parameters);
  return (target, plain) => {
    const body = zstdCompressSync(plain, { params, chunkSize: Math.max(1024, target.length) });
    if (body.length > target.length) return undefined;
    target.set(body);
    return body.length;
  };
}

const sample = Buffer.allocUnsafeSlow(PROBE_BYTES);

/** Whether any of three short samples shrinks. */
function shrinks(plain: Uint8Array): boolean {
  const room = sample.subarray(0, Math.floor(PROBE_BYTES * WORTH_IT));
  for (const place of [0.5, 0.15, 0.85]) {
    const at = Math.floor((plain.length - PROBE_BYTES) * place);
    if (compressorOf('fastest')(room, plain.subarray(at, at + PROBE_BYTES)) !== undefined) return true;
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

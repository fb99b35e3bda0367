import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { EverfullError } from '../base/mod.ts';
import type { Sealer } from '../crypto/mod.ts';
import { Codec } from '../format/mod.ts';

const BODY_BYTES_MAX = 64 * 1024 * 1024;

/** Secrets id, dataset, sequence: a body cannot be moved to another manifest. */
function associatedData(secretsId: Uint8Array, dataset: Uint8Array, sequence: number): Buffer {
  const number = Buffer.alloc(8);
  number.writeBigUInt64LE(BigInt(sequence));
  return Buffer.concat([Buffer.from('everfull manifest body 1\n', 'latin1'), secretsId, dataset, number]);
}

export function sealManifestBody(
  body: Uint8Array,
  sealer: Sealer,
  secretsId: Uint8Array,
  dataset: Uint8Array,
  sequence: number,
): { sealed: Buffer; nonce: Buffer } {
  return sealer.seal(associatedData(secretsId, dataset, sequence), Codec.zstd, zstdCompressSync(body));
}

export function openManifestBody(
  sealed: Uint8Array,
  nonce: Uint8Array,
  sealer: Sealer,
  secretsId: Uint8Array,
  dataset: Uint8Array,
  sequence: number,
): Uint8Array {
  const compressed = sealer.open(associatedData(secretsId, dataset, sequence), Codec.zstd, nonce, sealed);
  try {
    return zstdDecompressSync(compressed, { maxOutputLength: BODY_BYTES_MAX });
  } catch (cause) {
    throw new EverfullError('damaged', 'Could not read a manifest: its body does not expand', { cause });
  }
}

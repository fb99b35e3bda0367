import { EverfullError, equalBytes, hexOf } from '../base/mod.ts';
import type { DomainSecrets, Sealer } from '../crypto/mod.ts';
import {
  type ChunkUse,
  decodeFrame,
  encodeFrameHeader,
  FRAME_NONCE_AT,
  type FrameHeader,
  FrameKind,
  frameAssociatedData,
  NO_DATA_KEY,
  NO_NONCE,
  SEAL_TAG_BYTES,
  Sealing,
} from '../format/mod.ts';
import { type CompressionMode, compress, expand } from './compress.ts';

/** What is to become a frame. */
export interface PlainFrame {
  readonly kind: FrameKind;
  /** See {@link frameIdOf}. */
  readonly id: Uint8Array;
  readonly plain: Uint8Array;
  readonly chunks: readonly ChunkUse[];
  readonly nodes: readonly Uint8Array[];
}

/** The id of a chunk or node: keyed BLAKE3 of its plain bytes, with a key for each kind. */
export function frameIdOf(kind: FrameKind, plain: Uint8Array, secrets: DomainSecrets): Buffer {
  switch (kind) {
    case FrameKind.chunk:
      return secrets.chunkId(plain);
    case FrameKind.indexNode:
      return secrets.indexNodeId(plain);
    case FrameKind.contentNode:
      return secrets.contentNodeId(plain);
  }
}

/** Compresses and seals. Content nodes stay clear, so that a server without the key can walk them. */
export function encodeFrame(
  frame: PlainFrame,
  sealer: Sealer,
  secretsId: Uint8Array,
  mode: CompressionMode,
): Buffer {
  return encodeFrameInto((length) => Buffer.allocUnsafeSlow(length), frame, sealer, secretsId, mode);
}

/** The same in memory that `allocate` gives, of exactly the length that it is asked for. */
export function encodeFrameInto<T extends Uint8Array>(
  allocate: (length: number) => T,
  frame: PlainFrame,
  sealer: Sealer,
  secretsId: Uint8Array,
  mode: CompressionMode,
): T {
  const { kind, id, plain, chunks, nodes } = frame;
  const { codec, body } = compress(plain, mode);
  const isClear = kind === FrameKind.contentNode;
  const header: FrameHeader = {
    kind,
    codec,
    id,
    chunks,
    nodes,
    sealing: isClear ? Sealing.clear : Sealing.aes256gcm,
    dataKeyId: isClear ? NO_DATA_KEY : sealer.keyId,
    nonce: NO_NONCE,
    plainLength: plain.length,
    bodyLength: isClear ? body.length : body.length + SEAL_TAG_BYTES,
  };
  const headerBytes = encodeFrameHeader(header);
  const bytes = allocate(headerBytes.length + header.bodyLength);
  bytes.set(headerBytes);
  if (isClear) {
    bytes.set(body, headerBytes.length);
  } else {
    const nonce = sealer.sealInto(
      bytes.subarray(headerBytes.length),
      frameAssociatedData(headerBytes, secretsId),
      codec,
      body,
    );
    bytes.set(nonce, FRAME_NONCE_AT);
  }
  return bytes;
}

export interface OpenedFrame {
  readonly plain: Uint8Array;
  readonly header: FrameHeader;
}

/**
 * The plain bytes of a frame that is to be `id` of `kind`: authenticated, expanded, and hashed again.
 * Throws 'damaged' for anything else.
 *
 * @param sealerOf gives the sealer of a data key id, which the caller has opened; undefined if it has none
 */
export function openFrame(
  bytes: Uint8Array,
  kind: FrameKind,
  id: Uint8Array,
  secrets: DomainSecrets,
  sealerOf: (dataKeyId: Uint8Array) => Sealer | undefined,
): OpenedFrame {
  const { header, headerBytes, body } = decodeFrame(bytes);
  const name = hexOf(id).slice(0, 16);
  if (header.kind !== kind || !equalBytes(header.id, id))
    throw new EverfullError('damaged', `Could not open frame ${name}: another one is in its place`);
  let compressed: Uint8Array = body;
  if (header.sealing === Sealing.aes256gcm) {
    const sealer = sealerOf(header.dataKeyId);
    if (sealer === undefined)
      throw new EverfullError(
        'damaged',
        `Could not open frame ${name}: its data key ${hexOf(header.dataKeyId)} is missing`,
      );
    compressed = sealer.open(
      frameAssociatedData(headerBytes, secrets.secretsId),
      header.codec,
      header.nonce,
      body,
    );
  }
  const plain = expand(header.codec, compressed, header.plainLength);
  if (!equalBytes(frameIdOf(kind, plain, secrets), id))
    throw new EverfullError('damaged', `Could not open frame ${name}: its bytes are others than its id says`);
  return { plain, header };
}

import { bufferOf, EverfullError } from '../base/mod.ts';
import { CHUNK_BYTES_MAX, ID_BYTES } from './piece.ts';

/** What a frame holds; the numbers are stored. */
export const FrameKind = { chunk: 1, indexNode: 2, contentNode: 3 } as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

export const Codec = { stored: 0, zstd: 1 } as const;
export type Codec = (typeof Codec)[keyof typeof Codec];

export const Sealing = { clear: 0, aes256gcm: 1 } as const;
export type Sealing = (typeof Sealing)[keyof typeof Sealing];

export const DATA_KEY_ID_BYTES = 16;
export const NONCE_BYTES = 12;
export const SEAL_TAG_BYTES = 16;

/** Plain bytes of a frame: a chunk, or a node with an entry of many extended attributes. */
export const FRAME_PLAIN_BYTES_MAX = CHUNK_BYTES_MAX + 64 * 1024;
/** Stored bytes of a frame: what does not shrink is stored as it is, with its header and its lists. */
export const FRAME_BYTES_MAX = FRAME_PLAIN_BYTES_MAX + 1024 * 1024;

/** A chunk that an index node refers to, and how many bytes of it the node's entries use. */
export interface ChunkUse {
  readonly id: Uint8Array;
  readonly bytes: number;
}

/** The clear part of a frame. `docs/format/frame.md` */
export interface FrameHeader {
  readonly kind: FrameKind;
  readonly codec: Codec;
  readonly sealing: Sealing;
  /** Keyed BLAKE3 of the plain bytes. */
  readonly id: Uint8Array;
  readonly dataKeyId: Uint8Array;
  readonly nonce: Uint8Array;
  /** Bytes of the body when opened and expanded. */
  readonly plainLength: number;
  /** Bytes of the body as stored. */
  readonly bodyLength: number;
  /** Index nodes: the chunks used, by id, in the order of first use. */
  readonly chunks: readonly ChunkUse[];
  /** Nodes: the nodes directly below, in order, each once. */
  readonly nodes: readonly Uint8Array[];
}

const AT = {
  kind: 0,
  codec: 1,
  sealing: 2,
  reserved: 3,
  headerLength: 4,
  plainLength: 8,
  bodyLength: 12,
  id: 16,
  dataKeyId: 48,
  nonce: 64,
  chunkCount: 76,
  nodeCount: 80,
  lists: 84,
};
export const FRAME_HEADER_BYTES_MIN = AT.lists;
/** Where the nonce goes once the body is sealed. */
export const FRAME_NONCE_AT = AT.nonce;
const CHUNK_USE_BYTES = ID_BYTES + 4;

export const NO_DATA_KEY: Uint8Array = new Uint8Array(DATA_KEY_ID_BYTES);
export const NO_NONCE: Uint8Array = new Uint8Array(NONCE_BYTES);

export function encodeFrameHeader(header: FrameHeader): Buffer {
  const length = AT.lists + header.chunks.length * CHUNK_USE_BYTES + header.nodes.length * ID_BYTES;
  const bytes = Buffer.alloc(length);
  bytes[AT.kind] = header.kind;
  bytes[AT.codec] = header.codec;
  bytes[AT.sealing] = header.sealing;
  bytes.writeUInt32LE(length, AT.headerLength);
  bytes.writeUInt32LE(header.plainLength, AT.plainLength);
  bytes.writeUInt32LE(header.bodyLength, AT.bodyLength);
  bytes.set(header.id, AT.id);
  bytes.set(header.dataKeyId, AT.dataKeyId);
  bytes.set(header.nonce, AT.nonce);
  bytes.writeUInt32LE(header.chunks.length, AT.chunkCount);
  bytes.writeUInt32LE(header.nodes.length, AT.nodeCount);
  let at = AT.lists;
  for (const use of header.chunks) {
    bytes.set(use.id, at);
    at = bytes.writeUInt32LE(Math.min(use.bytes, 0xffffffff), at + ID_BYTES);
  }
  for (const id of header.nodes) {
    bytes.set(id, at);
    at += ID_BYTES;
  }
  return bytes;
}

/** A frame's header and body, as views into `frame`. Throws 'damaged' where the parts do not fit. */
export function decodeFrame(frame: Uint8Array): { header: FrameHeader; headerBytes: Buffer; body: Buffer } {
  const bytes = bufferOf(frame);
  const damaged = (why: string) => new EverfullError('damaged', `Could not read a frame: ${why}`);
  if (bytes.length < AT.lists) throw damaged(`${bytes.length} bytes are less than a header`);
  const kind = bytes[AT.kind] as FrameKind;
  const codec = bytes[AT.codec] as Codec;
  const sealing = bytes[AT.sealing] as Sealing;
  if (kind < FrameKind.chunk || kind > FrameKind.contentNode) throw damaged(`kind ${kind} is unknown`);
  if (codec > Codec.zstd) throw damaged(`codec ${codec} is unknown`);
  if (sealing > Sealing.aes256gcm || bytes[AT.reserved] !== 0) throw damaged(`sealing ${sealing} is unknown`);
  if ((sealing === Sealing.clear) !== (kind === FrameKind.contentNode))
    throw damaged('only content nodes are clear');
  const headerLength = bytes.readUInt32LE(AT.headerLength);
  const plainLength = bytes.readUInt32LE(AT.plainLength);
  const bodyLength = bytes.readUInt32LE(AT.bodyLength);
  const chunkCount = bytes.readUInt32LE(AT.chunkCount);
  const nodeCount = bytes.readUInt32LE(AT.nodeCount);
  if (headerLength !== AT.lists + chunkCount * CHUNK_USE_BYTES + nodeCount * ID_BYTES)
    throw damaged('its lists do not fill its header');
  if (headerLength + bodyLength !== bytes.length)
    throw damaged(`${bytes.length} bytes, not the ${headerLength + bodyLength} that it names`);
  if (plainLength > FRAME_PLAIN_BYTES_MAX) throw damaged(`${plainLength} plain bytes are above the limit`);
  const chunks: ChunkUse[] = [];
  let at = AT.lists;
  for (let i = 0; i < chunkCount; i++) {
    chunks.push({ id: bytes.subarray(at, at + ID_BYTES), bytes: bytes.readUInt32LE(at + ID_BYTES) });
    at += CHUNK_USE_BYTES;
  }
  const nodes: Uint8Array[] = [];
  for (let i = 0; i < nodeCount; i++) {
    nodes.push(bytes.subarray(at, at + ID_BYTES));
    at += ID_BYTES;
  }
  const header: FrameHeader = {
    kind,
    codec,
    sealing,
    plainLength,
    bodyLength,
    chunks,
    nodes,
    id: bytes.subarray(AT.id, AT.dataKeyId),
    dataKeyId: bytes.subarray(AT.dataKeyId, AT.nonce),
    nonce: bytes.subarray(AT.nonce, AT.chunkCount),
  };
  return { header, headerBytes: bytes.subarray(0, headerLength), body: bytes.subarray(headerLength) };
}

/**
 * What is authenticated with a sealed body: the secrets id, then the header with nonce and body length
 * as zeros (both follow from the sealing itself).
 */
export function frameAssociatedData(headerBytes: Uint8Array, secretsId: Uint8Array): Buffer {
  const bytes = Buffer.concat([secretsId, headerBytes]);
  bytes.fill(0, secretsId.length + AT.nonce, secretsId.length + AT.chunkCount);
  bytes.fill(0, secretsId.length + AT.bodyLength, secretsId.length + AT.id);
  return bytes;
}

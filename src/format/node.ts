import { type ByteString, EverfullError } from '../base/mod.ts';
import { ENTRY_BYTES_MAX } from './entry.ts';
import { ID_BYTES, type Piece, readPiece, TREE_LEVEL_MAX, writePiece } from './piece.ts';
import { ByteReader, ByteWriter } from './wire.ts';

/**
 * Nodes of the two trees. Both are ordered lists cut into nodes: leaves (level 0) hold items, inner
 * nodes hold a reference to each child with the items and bytes below it. `docs/format/node.md`
 */
export interface ChildRef {
  /** The first key below the child; empty in a content tree, which has no keys. */
  readonly key: ByteString;
  readonly id: Uint8Array;
  /** Items (entries or pieces) in the leaves below. */
  readonly items: number;
  /** Bytes of content below. */
  readonly length: number;
}

export interface IndexItem {
  readonly key: ByteString;
  /** An encoded entry. */
  readonly value: Uint8Array;
}

export type IndexNode =
  | { readonly level: 0; readonly items: readonly IndexItem[] }
  | { readonly level: number; readonly children: readonly ChildRef[] };

export type ContentNode =
  | { readonly level: 0; readonly pieces: readonly Piece[] }
  | { readonly level: number; readonly children: readonly ChildRef[] };

/** Most bytes of a node: 4 × the average of 8 KiB, unless a single item is larger. */
export const NODE_BYTES_TARGET = 8192;
export const NODE_BYTES_LOW = NODE_BYTES_TARGET / 4;
export const NODE_BYTES_HIGH = NODE_BYTES_TARGET * 4;

/** Most items of a node: the count is stored in two bytes. */
export const NODE_ITEMS_MAX = 65_535;

export const KEY_BYTES_MAX = 1024 * 1024;

/** Throws 'limit' for a key that no node may hold. */
export function checkKey(key: ByteString): void {
  if (key.length > KEY_BYTES_MAX)
    throw new EverfullError(
      'limit',
      `Could not store it: its path has ${key.length} bytes, not at most ${KEY_BYTES_MAX}`,
    );
}

/** Encodes nodes item by item, so that a tree builder knows the size of what it has at any time. */
export class NodeWriter {
  readonly #writer = new ByteWriter(16_384);
  #level = 0;
  #lastKey: ByteString = '';
  count = 0;

  /** Bytes so far. */
  get length(): number {
    return this.#writer.length;
  }

  begin(level: number): void {
    this.#level = level;
    this.#lastKey = '';
    this.count = 0;
    this.#writer.reset().u8(level).u16(0);
  }

  #key(key: ByteString): void {
    const last = this.#lastKey;
    const most = Math.min(last.length, key.length);
    let shared = 0;
    while (shared < most && last.charCodeAt(shared) === key.charCodeAt(shared)) shared++;
    this.#writer.varint(shared).text(shared === 0 ? key : key.slice(shared));
    this.#lastKey = key;
  }

  entry(key: ByteString, value: Uint8Array): void {
    this.#key(key);
    this.#writer.block(value);
    this.count++;
  }

  piece(piece: Piece): void {
    writePiece(this.#writer, piece);
    this.count++;
  }

  indexChild(child: ChildRef): void {
    this.#key(child.key);
    this.contentChild(child);
  }

  contentChild(child: ChildRef): void {
    this.#writer.bytes(child.id).varint(child.items).varint(child.length);
    this.count++;
  }

  finish(): Buffer {
    const bytes = this.#writer.finish();
    bytes.writeUInt8(this.#level, 0);
    bytes.writeUInt16LE(this.count, 1);
    return bytes;
  }
}

function readLevel(reader: ByteReader): number {
  const level = reader.u8();
  if (level > TREE_LEVEL_MAX) throw reader.damaged(`a tree of ${level} levels is too deep`);
  return level;
}

function readKey(reader: ByteReader, last: ByteString | undefined): ByteString {
  const shared = reader.varint(last?.length ?? 0);
  const suffix = reader.text(KEY_BYTES_MAX);
  if (shared + suffix.length > KEY_BYTES_MAX) throw reader.damaged('a key is too long');
  const key = last === undefined ? suffix : last.slice(0, shared) + suffix;
  if (last !== undefined && key <= last) throw reader.damaged('keys are out of order');
  return key;
}

function readChild(reader: ByteReader, key: ByteString): ChildRef {
  const id = reader.bytes(ID_BYTES);
  const items = reader.varint();
  if (items === 0) throw reader.damaged('a child is empty');
  return { key, id, items, length: reader.varint() };
}

export function decodeIndexNode(bytes: Uint8Array): IndexNode {
  const reader = new ByteReader(bytes, 'an index node');
  const level = readLevel(reader);
  const count = reader.u16();
  let last: ByteString | undefined;
  if (level === 0) {
    const items: IndexItem[] = [];
    for (let i = 0; i < count; i++) {
      last = readKey(reader, last);
      items.push({ key: last, value: reader.block(ENTRY_BYTES_MAX) });
    }
    reader.done();
    return { level, items };
  }
  const children: ChildRef[] = [];
  for (let i = 0; i < count; i++) {
    last = readKey(reader, last);
    children.push(readChild(reader, last));
  }
  if (count === 0) throw reader.damaged('an inner node is empty');
  reader.done();
  return { level, children };
}

export function decodeContentNode(bytes: Uint8Array): ContentNode {
  const reader = new ByteReader(bytes, 'a content node');
  const level = readLevel(reader);
  const count = reader.u16();
  if (count === 0) throw reader.damaged('a content node is empty');
  if (level === 0) {
    const pieces: Piece[] = [];
    for (let i = 0; i < count; i++) pieces.push(readPiece(reader));
    reader.done();
    return { level, pieces };
  }
  const children: ChildRef[] = [];
  for (let i = 0; i < count; i++) children.push(readChild(reader, ''));
  reader.done();
  return { level, children };
}

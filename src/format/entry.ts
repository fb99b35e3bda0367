import { type ByteString, EverfullError } from '../base/mod.ts';
import {
  type Content,
  contentLength,
  ID_BYTES,
  INLINE_PIECES_MAX,
  type Piece,
  readPiece,
  TREE_LEVEL_MAX,
  writePiece,
} from './piece.ts';
import { ByteReader, ByteWriter } from './wire.ts';

/** What an entry is; the numbers are stored. */
export const EntryType = {
  file: 1,
  folder: 2,
  symlink: 3,
  fifo: 4,
  socket: 5,
  characterDevice: 6,
  blockDevice: 7,
} as const;
export type EntryType = (typeof EntryType)[keyof typeof EntryType];

/** The file was written while it was read: its bytes are those that were read, not those of one moment. */
export const ENTRY_CHANGED_WHILE_READ = 1;
/** A folder on the way to what was backed up: its attributes are known, its other entries and its times are not. */
export const ENTRY_ANCESTOR = 2;

const HAS_XATTRS = 1;
const HAS_INODE_FLAGS = 2;
const HAS_LINK_GROUP = 4;

export const XATTRS_MAX = 65_536;
export const XATTR_NAME_BYTES_MAX = 255;
export const XATTR_VALUE_BYTES_MAX = 65_536;
/** Linux ends paths at 4,096 bytes but lets folders nest deeper; this bounds memory. */
export const PATH_BYTES_MAX = 1024 * 1024;
export const LINK_TARGET_BYTES_MAX = 65_536;
/** An entry and its key lie in one node, which lies in one frame. */
export const ENTRY_BYTES_MAX = 3 * 1024 * 1024;

export interface ExtendedAttribute {
  readonly name: ByteString;
  readonly value: Uint8Array;
}

/** One inode as a restore needs it. */
export interface Entry {
  readonly type: EntryType;
  /** ENTRY_ bits. */
  readonly flags: number;
  /** Permission bits with set-uid, set-gid and sticky: 12 bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970, possibly negative; nanoseconds from 0 to 999,999,999 are added to them. */
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  /** Sorted by name; ACLs and capabilities are among them. */
  readonly xattrs: readonly ExtendedAttribute[];
  /** FS_IOC_GETFLAGS bits, those that can be set again. */
  readonly inodeFlags: number;
  /** Hard links: the first path, in key order, of the same inode. */
  readonly linkGroup: ByteString | undefined;
  /** Files: the keyed BLAKE3 of the bytes; of a long file, over its chunk ids. */
  readonly fingerprint: Uint8Array | undefined;
  /** Files. */
  readonly content: Content | undefined;
  /** Symbolic links. */
  readonly target: ByteString | undefined;
  /** Devices. */
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

/** The length of a file's content in bytes; 0 for everything else. */
export function entrySize(entry: Entry): number {
  return entry.content === undefined ? 0 : contentLength(entry.content);
}

/** `docs/format/entry.md`. Throws 'limit' for what {@link decodeEntry} would not accept. */
export function encodeEntry(entry: Entry, writer: ByteWriter = new ByteWriter()): Buffer {
  writer.reset();
  const has =
    (entry.xattrs.length > 0 ? HAS_XATTRS : 0) |
    (entry.inodeFlags !== 0 ? HAS_INODE_FLAGS : 0) |
    (entry.linkGroup !== undefined ? HAS_LINK_GROUP : 0);
  writer.u8(entry.type).u8(entry.flags).u8(has).u16(entry.mode);
  writer.varint(entry.uid).varint(entry.gid).signed(entry.mtimeSeconds).u32(entry.mtimeNanoseconds);
  if (has & HAS_XATTRS) {
    writer.varint(atMost(entry.xattrs.length, XATTRS_MAX, 'extended attributes'));
    for (const { name, value } of entry.xattrs) {
      atMost(name.length, XATTR_NAME_BYTES_MAX, 'bytes of the name of an extended attribute');
      atMost(value.length, XATTR_VALUE_BYTES_MAX, 'bytes of an extended attribute');
      writer.text(name).block(value);
    }
  }
  if (has & HAS_INODE_FLAGS) writer.u32(entry.inodeFlags);
  if (has & HAS_LINK_GROUP) {
    atMost(entry.linkGroup!.length, PATH_BYTES_MAX, 'bytes of the path of a hard link');
    writer.text(entry.linkGroup!);
  }
  switch (entry.type) {
    case EntryType.file:
      writer.bytes(entry.fingerprint!);
      writeContent(writer, entry.content!);
      break;
    case EntryType.symlink:
      atMost(entry.target!.length, LINK_TARGET_BYTES_MAX, 'bytes of the target of a link');
      writer.text(entry.target!);
      break;
    case EntryType.characterDevice:
    case EntryType.blockDevice:
      writer.varint(entry.deviceMajor).varint(entry.deviceMinor);
      break;
  }
  atMost(writer.length, ENTRY_BYTES_MAX, 'bytes of an entry');
  return writer.finish();
}

function atMost(count: number, max: number, what: string): number {
  if (count > max)
    throw new EverfullError('limit', `Could not store it: it has ${count} ${what}, not at most ${max}`);
  return count;
}

export function decodeEntry(bytes: Uint8Array): Entry {
  const reader = new ByteReader(bytes, 'an entry');
  const type = reader.u8() as EntryType;
  if (type < EntryType.file || type > EntryType.blockDevice) throw reader.damaged(`type ${type} is unknown`);
  const flags = reader.u8();
  if (flags > (ENTRY_CHANGED_WHILE_READ | ENTRY_ANCESTOR)) throw reader.damaged(`flags ${flags} are unknown`);
  const has = reader.u8();
  if (has > 7) throw reader.damaged(`parts ${has} are unknown`);
  const mode = reader.u16();
  if (mode > 0o7777) throw reader.damaged(`mode ${mode} has more than 12 bits`);
  const uid = reader.varint(0xffffffff);
  const gid = reader.varint(0xffffffff);
  const mtimeSeconds = reader.signed();
  const mtimeNanoseconds = reader.u32();
  if (mtimeNanoseconds > 999_999_999) throw reader.damaged('a time has more than 999,999,999 ns');
  const xattrs = has & HAS_XATTRS ? readXattrs(reader) : [];
  const inodeFlags = has & HAS_INODE_FLAGS ? reader.u32() : 0;
  const linkGroup = has & HAS_LINK_GROUP ? reader.text(PATH_BYTES_MAX) : undefined;
  const isFile = type === EntryType.file;
  const isDevice = type === EntryType.characterDevice || type === EntryType.blockDevice;
  const fingerprint = isFile ? reader.bytes(ID_BYTES) : undefined;
  const content = isFile ? readContent(reader) : undefined;
  const target = type === EntryType.symlink ? reader.text(LINK_TARGET_BYTES_MAX) : undefined;
  const deviceMajor = isDevice ? reader.varint(0xffffffff) : 0;
  const deviceMinor = isDevice ? reader.varint(0xffffffff) : 0;
  reader.done();
  return {
    type,
    flags,
    mode,
    uid,
    gid,
    mtimeSeconds,
    mtimeNanoseconds,
    xattrs,
    inodeFlags,
    linkGroup,
    fingerprint,
    content,
    target,
    deviceMajor,
    deviceMinor,
  };
}

function readXattrs(reader: ByteReader): ExtendedAttribute[] {
  const count = reader.varint(XATTRS_MAX);
  const xattrs: ExtendedAttribute[] = [];
  for (let i = 0; i < count; i++) {
    const name = reader.text(XATTR_NAME_BYTES_MAX);
    if (i > 0 && name <= xattrs[i - 1]!.name) throw reader.damaged('extended attributes are out of order');
    xattrs.push({ name, value: reader.block(XATTR_VALUE_BYTES_MAX) });
  }
  return xattrs;
}

/** A byte n: n pieces follow; or 255, then level, items, length and id of the root of a content tree. */
const CONTENT_TREE = 255;

function writeContent(writer: ByteWriter, content: Content): void {
  if ('root' in content) {
    writer
      .u8(CONTENT_TREE)
      .u8(content.level)
      .varint(content.items)
      .varint(content.length)
      .bytes(content.root);
    return;
  }
  writer.u8(content.pieces.length);
  for (const piece of content.pieces) writePiece(writer, piece);
}

function readContent(reader: ByteReader): Content {
  const count = reader.u8();
  if (count === CONTENT_TREE) {
    const level = reader.u8();
    if (level > TREE_LEVEL_MAX) throw reader.damaged(`a tree of ${level} levels is too deep`);
    return { level, items: reader.varint(), length: reader.varint(), root: reader.bytes(ID_BYTES) };
  }
  if (count > INLINE_PIECES_MAX) throw reader.damaged(`${count} pieces are more than ${INLINE_PIECES_MAX}`);
  const pieces: Piece[] = [];
  for (let i = 0; i < count; i++) pieces.push(readPiece(reader));
  return { pieces };
}

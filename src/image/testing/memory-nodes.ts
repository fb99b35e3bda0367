import { digest } from '../../crypto/mod.ts';
import {
  type Content,
  decodeEntry,
  type Entry,
  EntryType,
  encodeEntry,
  FrameKind,
  type Piece,
} from '../../format/mod.ts';
import { type BuiltNode, type NodeSource, TreeBuilder, type TreeRoot } from '../mod.ts';

/** Nodes in memory, which count how often they are read. */
export class MemoryNodes {
  readonly nodes = new Map<string, BuiltNode>();
  reads = 0;

  readonly sink = (node: BuiltNode): Uint8Array => {
    const id = digest(Uint8Array.of(node.kind), node.plain);
    this.nodes.set(id.toString('hex'), node);
    return id;
  };

  readonly source: NodeSource = async (kind, id) => {
    this.reads++;
    const node = this.nodes.get(Buffer.from(id).toString('hex'));
    if (node === undefined || node.kind !== kind) throw new Error('no such node');
    return node.plain;
  };

  /** @param entries encoded entries by key */
  buildIndex(entries: Iterable<readonly [string, Uint8Array]>, seed = 7): TreeRoot {
    const builder = new TreeBuilder(FrameKind.indexNode, seed, this.sink);
    for (const [key, value] of entries) builder.addEntry(key, value, decodeEntry(value).content);
    return builder.finish();
  }

  buildContent(pieces: Iterable<Piece>): TreeRoot {
    const builder = new TreeBuilder(FrameKind.contentNode, 7, this.sink);
    for (const piece of pieces) builder.addPiece(piece);
    return builder.finish();
  }
}

export function folderEntry(changes: Partial<Entry> = {}): Entry {
  return {
    type: EntryType.folder,
    flags: 0,
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtimeSeconds: 1,
    mtimeNanoseconds: 2,
    xattrs: [],
    inodeFlags: 0,
    linkGroup: undefined,
    fingerprint: undefined,
    content: undefined,
    target: undefined,
    deviceMajor: 0,
    deviceMinor: 0,
    ...changes,
  };
}

/** @param fingerprint any text; equal texts, equal fingerprints */
export function fileEntry(content: Content, fingerprint = '', changes: Partial<Entry> = {}): Entry {
  return folderEntry({
    type: EntryType.file,
    mode: 0o644,
    content,
    fingerprint: digest(Buffer.from(fingerprint)),
    ...changes,
  });
}

export function encoded(entry: Entry): Buffer {
  return encodeEntry(entry);
}

/** A stand-in for a chunk's id. */
export function chunkId(name: string | number): Buffer {
  return digest(Buffer.from(`chunk ${name}`));
}

import type { ByteString } from '../base/mod.ts';
import type { ChildRef, Content, ExtendedAttribute, TrackRecord } from '../format/mod.ts';
import type { ChunkRef } from './known-files.ts';
import type { LongFile } from './long-file.ts';
import type { ReadBatch } from './read-batch.ts';

/** A run of unchanged records that is a whole leaf of the last index. */
export interface LeafItem {
  readonly kind: 'leaf';
  readonly records: readonly TrackRecord[];
  readonly leaf: ChildRef;
}

/** An entry that did not change. */
export interface RecordItem {
  readonly kind: 'record';
  readonly record: TrackRecord;
}

/** What is known of an inode's content once it was read. */
export interface Captured {
  readonly fingerprint: Uint8Array | undefined;
  /** Final, or one piece of a chunk that is yet to be sealed. */
  readonly content:
    | Content
    | { readonly chunk: ChunkRef; readonly offset: number; readonly length: number }
    | undefined;
  readonly xattrs: readonly ExtendedAttribute[];
  readonly inodeFlags: number;
  readonly target: ByteString | undefined;
  readonly changedWhileRead: boolean;
}

/** An entry that is new, or may have changed. */
export interface EntryItem {
  readonly kind: 'entry';
  readonly key: ByteString;
  readonly path: ByteString;
  words: Uint32Array;
  readonly rdev: readonly [number, number];
  readonly isAncestor: boolean;
  /** What the last image had under this key. */
  readonly before: TrackRecord | undefined;
  /** The first path in key order of the same inode, if it has several. */
  readonly linkGroup: ByteString | undefined;
  /** Where its content comes from. */
  source:
    | { readonly batch: ReadBatch; readonly index: number }
    | { readonly long: Promise<LongFile> }
    | { readonly sameAs: FirstLink }
    | undefined;
  /** Of the first path of an inode with several: where the others look. */
  readonly first: FirstLink | undefined;
  captured: Captured | undefined;
}

/** The first path in key order of an inode with several. Kept to the end of the walk, so it holds no more than it must. */
export interface FirstLink {
  readonly path: ByteString;
  words: Uint32Array;
  /** The encoded entry, where it is as the last image has it. */
  readonly value: Uint8Array | undefined;
  /** What was found, once it was read; undefined for ever where it could not be. */
  captured: Captured | undefined;
}

export type Item = LeafItem | RecordItem | EntryItem;

/** How many entries an item stands for. */
export function weightOf(item: Item): number {
  return item.kind === 'leaf' ? item.records.length : 1;
}

import { type BoundedQueue, type ByteString, equalBytes, isEverfullError } from '../base/mod.ts';
import {
  type ChildRef,
  type Content,
  checkKey,
  contentLength,
  decodeEntry,
  ENTRY_ANCESTOR,
  ENTRY_CHANGED_WHILE_READ,
  type Entry,
  EntryType,
  encodeEntry,
  FrameKind,
  TRACK_BEGINS_LEAF,
  TRACK_TRUSTED,
  type TrackRecord,
} from '../format/mod.ts';
import { type NodeSink, TreeBuilder, type TreeRoot } from '../image/mod.ts';
import type { WriteSession } from '../repository/mod.ts';
import type { ChunkGroup } from './chunk-group.ts';
import type { Captured, EntryItem, FirstLink, Item, LeafItem } from './item.ts';
import type { ChunkRef } from './known-files.ts';
import { type LongFile, UnreadableFile } from './long-file.ts';
import type { SegmentWriter } from './segment-files.ts';
import { timeOf, typeOf, Word } from './stat-words.ts';
import type { TrackLogWriter } from './track-log.ts';

/** What became of an entry. */
export type EntryChange = 'new' | 'changed' | 'unmodified';

export interface AssembleOptions {
  readonly boundarySeed: number;
  readonly sink: NodeSink;
  readonly session: WriteSession;
  readonly group: ChunkGroup;
  /** Undefined where there is no place for a log. */
  readonly log: TrackLogWriter | undefined;
  /** Where segment entries go; undefined where none are kept. */
  readonly segments: SegmentWriter | undefined;
  /** Whether equal stat words will mean next time that the file did not change. */
  isTrusted(words: Uint32Array): boolean;
  captureLong(item: EntryItem, isSparse: boolean): Promise<LongFile>;
  failed(path: ByteString, error: { readonly code: string; readonly message: string }): void;
  entry(
    path: ByteString,
    change: EntryChange,
    isFolder: boolean,
    size: number,
    changedWhileRead: boolean,
  ): void;
  /** Entries of a leaf that did not change: how many, and their bytes. */
  leaf(files: number, folders: number, bytes: number): void;
}

/** Builds the index and the next track log from the items in key order. */
export class Assembler {
  readonly #options: AssembleOptions;
  readonly #builder: TreeBuilder;
  /** Entries that were captured: new, changed or looked at again. */
  changes = 0;

  constructor(options: AssembleOptions) {
    this.#options = options;
    this.#builder = new TreeBuilder(
      FrameKind.indexNode,
      options.boundarySeed,
      options.sink,
      (leaf: ChildRef) => options.log?.endLeaf(leaf),
    );
  }

  async run(from: BoundedQueue<Item>): Promise<TreeRoot> {
    const { session } = this.#options;
    let turn = 0;
    for (;;) {
      const item = from.poll() ?? (await from.take());
      if (item === undefined) break;
      if (item.kind === 'leaf') this.#leaf(item);
      else if (item.kind === 'record') this.#record(item.record);
      else {
        // Most entries wait for nothing, and promises would cost more than the rest.
        const captured = isCaptured(item) ? item.captured : await this.#captured(item);
        this.changes++;
        const chunk = openChunkOf(captured);
        if (chunk !== undefined) await this.#options.group.settled(chunk);
        if (captured !== undefined) this.#entry(item, captured);
      }
      if (++turn % 256 === 0) await session.room();
    }
    return this.#builder.finish();
  }

  #leaf({ records, leaf }: LeafItem): void {
    const { log, session } = this.#options;
    // A node that the repository lost is made again of its entries.
    if (!this.#builder.atLeafStart || session.damaged.size > 0 || !session.has(leaf.id)) {
      for (const record of records) this.#record(record);
      return;
    }
    this.#builder.addLeaf(leaf);
    const first = records[0];
    log?.addRaw(first.page.subarray(first.at, records.at(-1)!.end), records.length);
    let folders = 0;
    let files = 0;
    for (const { value } of records) {
      if (value[0] === EntryType.folder) folders++;
      else files++;
    }
    this.#options.leaf(files, folders, leaf.length);
  }

  #record(record: TrackRecord): void {
    const { value, key } = record;
    const entry = decodeEntry(value);
    this.#add(key, value, entry.content, record.statWords, record.flags & TRACK_TRUSTED);
    const isFolder = entry.type === EntryType.folder;
    this.#options.leaf(
      isFolder ? 0 : 1,
      isFolder ? 1 : 0,
      entry.content === undefined ? 0 : contentLength(entry.content),
    );
  }

  #add(
    key: ByteString,
    value: Uint8Array,
    content: Content | undefined,
    statWords: Uint32Array,
    flags: number,
  ): void {
    // The log first: the builder may end the leaf, which marks the record added last.
    this.#options.log?.add(
      key,
      value,
      statWords,
      flags | (this.#builder.atLeafStart ? TRACK_BEGINS_LEAF : 0),
    );
    this.#builder.addEntry(key, value, content);
  }

  #entry(item: EntryItem, captured: Captured): void {
    const { failed } = this.#options;
    if (item.first !== undefined) {
      item.first.captured = kept(captured);
      item.first.words = item.words;
    }
    const content = finalContent(captured);
    const type = typeOf(item.words)!;
    const { words } = item;
    const [mtimeSeconds, mtimeNanoseconds] = timeOf(words, Word.mtime);
    const entry: Entry = {
      type,
      flags:
        (captured.changedWhileRead ? ENTRY_CHANGED_WHILE_READ : 0) | (item.isAncestor ? ENTRY_ANCESTOR : 0),
      mode: words[Word.mode] & 0o7777,
      uid: words[Word.uid],
      gid: words[Word.gid],
      // The times of a folder on the way tell of entries that are none of ours.
      mtimeSeconds: item.isAncestor ? 0 : mtimeSeconds,
      mtimeNanoseconds: item.isAncestor ? 0 : mtimeNanoseconds,
      xattrs: captured.xattrs,
      inodeFlags: captured.inodeFlags,
      linkGroup: item.linkGroup,
      fingerprint: captured.fingerprint,
      content,
      target: captured.target,
      deviceMajor: item.rdev[0],
      deviceMinor: item.rdev[1],
    };
    let value: Buffer;
    try {
      checkKey(item.key);
      value = encodeEntry(entry);
    } catch (error) {
      if (!isEverfullError(error, 'limit')) throw error;
      failed(item.path, { code: 'EINVAL', message: error.message });
      return;
    }
    const trusted = !captured.changedWhileRead && this.#options.isTrusted(words);
    this.#add(item.key, value, content, words, trusted ? TRACK_TRUSTED : 0);
    const change =
      item.before === undefined ? 'new' : equalBytes(item.before.value, value) ? 'unmodified' : 'changed';
    this.#options.entry(
      item.path,
      change,
      type === EntryType.folder,
      content === undefined ? 0 : contentLength(content),
      captured.changedWhileRead,
    );
  }

  async #captured(item: EntryItem): Promise<Captured | undefined> {
    const source = item.source!;
    if ('sameAs' in source) {
      const { sameAs } = source;
      const captured = sameAs.captured ?? capturedBefore(sameAs);
      if (captured !== undefined) {
        item.words = sameAs.words;
        return captured;
      }
    }
    try {
      // The first path of a hard link could not be read, or is gone: this one may do better.
      const long = 'long' in source ? source.long : this.#options.captureLong(item, true);
      return this.#long(item, await long);
    } catch (error) {
      if (!(error instanceof UnreadableFile)) throw error;
      if (error.failure.errno !== 'ENOENT')
        this.#options.failed(item.path, { code: error.failure.errno, message: error.failure.message });
      return undefined;
    }
  }

  #long(item: EntryItem, file: LongFile): Captured {
    const { segments } = this.#options;
    if (file.replaces !== undefined) segments?.replaces(file.replaces);
    if (file.segments !== undefined) segments?.write(file.segments);
    item.words = file.words;
    return {
      fingerprint: file.fingerprint,
      content: file.content,
      target: undefined,
      changedWhileRead: file.changedWhileRead,
      inodeFlags: file.attributes.inodeFlags[0],
      xattrs: file.attributes.xattrs[0]?.xattrs ?? [],
    };
  }
}

function isCaptured(item: EntryItem): boolean {
  return item.captured !== undefined || item.source === undefined;
}

/** The chunk that the content lies in, if it has no id yet. */
function openChunkOf(captured: Captured | undefined): ChunkRef | undefined {
  const content = captured?.content;
  return content !== undefined && 'chunk' in content && content.chunk.id === undefined
    ? content.chunk
    : undefined;
}

function finalContent({ content }: Captured): Content | undefined {
  if (content === undefined || !('chunk' in content)) return content;
  return { pieces: [{ length: content.length, chunk: content.chunk.id!, offset: content.offset }] };
}

/** Without the memory that the fingerprint is a part of. */
function kept(captured: Captured): Captured {
  const { fingerprint } = captured;
  return { ...captured, fingerprint: fingerprint && new Uint8Array(fingerprint) };
}

function capturedBefore({ value }: FirstLink): Captured | undefined {
  if (value === undefined) return undefined;
  const { fingerprint, content, xattrs, inodeFlags, target } = decodeEntry(value);
  return { fingerprint, content, xattrs, inodeFlags, target, changedWhileRead: false };
}

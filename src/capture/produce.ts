import { type BoundedQueue, type ByteString, errnoOf } from '../base/mod.ts';
import { type ChunkPipeline, SMALL_FILE_BYTES_MAX } from '../chunk/mod.ts';
import {
  decodeEntry,
  ENTRY_ANCESTOR,
  EntryType,
  type PathKey,
  TRACK_BEGINS_LEAF,
  TRACK_ENDS_LEAF,
  TRACK_TRUSTED,
  type TrackRecord,
} from '../format/mod.ts';
import {
  close,
  getInodeFlags,
  openDirectoryPath,
  RESTORABLE_FLAGS,
  reachPath,
  readlinkAt,
  S_IFDIR,
  xattrsAt,
  xattrsOfFd,
} from '../os/mod.ts';
import type { Captured, EntryItem, FirstLink, Item } from './item.ts';
import type { LongFile } from './long-file.ts';
import { ReadBatch } from './read-batch.ts';
import { sizeOf, typeOf, wordsOf } from './stat-words.ts';
import type { TrackLog } from './track-log.ts';
import type { WalkedEntry } from './walk.ts';

/** How often the walk lets answers of the workers through. */
const ENTRIES_A_TURN = 2000;

export interface ProduceOptions {
  readonly pipeline: ChunkPipeline;
  readonly log: TrackLog | undefined;
  /** Whether an entry has to be captured although nothing about it changed. */
  mustRead(key: PathKey, record: TrackRecord): boolean;
  /** Begins to capture a long file. */
  captureLong(item: EntryItem, isSparse: boolean): Promise<LongFile>;
  failed(path: ByteString, error: { readonly code: string; readonly message: string }): void;
  /** Rejects when the backup is to stop. */
  check(): void;
  seen(entry: WalkedEntry): void;
}

/**
 * Walks and compares with the track log, in key order. What did not change passes as it is, by leaves
 * where a whole leaf did not change; the rest is read.
 */
export class Producer {
  readonly #queue: BoundedQueue<Item>;
  readonly #options: ProduceOptions;
  /** The first path of each inode with several. */
  readonly #links = new Map<string, FirstLink>();
  #record: TrackRecord | undefined;
  /** Unchanged records since the start of a leaf. */
  #run: TrackRecord[] = [];
  #inRun = false;
  #turn = 0;
  #batch = new ReadBatch();
  deleted = 0;

  constructor(queue: BoundedQueue<Item>, options: ProduceOptions) {
    this.#queue = queue;
    this.#options = options;
  }

  /** @param batches each to be gone through before the next is asked for */
  async run(batches: AsyncIterable<Iterable<WalkedEntry>>): Promise<void> {
    this.#record = this.#options.log?.next();
    for await (const entries of batches) await this.#compare(entries);
    this.#options.check();
    this.#seek(undefined);
    this.#breakRun();
    await this.#dispatch(true);
  }

  async #compare(entries: Iterable<WalkedEntry>): Promise<void> {
    const { log, mustRead, check, seen } = this.#options;
    for (const entry of entries) {
      seen(entry);
      if (++this.#turn % ENTRIES_A_TURN === 0) {
        check();
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      const record = this.#seek(entry.key);
      if (
        record !== undefined &&
        record.flags & TRACK_TRUSTED &&
        record.matches(entry.stat.words) &&
        !this.#wasAncestor(record, entry) &&
        this.#keepsLinkGroup(record, entry) &&
        !mustRead(entry.key, record)
      ) {
        this.#unchanged(record, entry);
      } else {
        this.#breakRun();
        const item = this.#capture(entry, record);
        if (item !== undefined) this.#queue.push(item);
      }
      if (record !== undefined) this.#record = log!.next();
      if (this.#queue.isFull) {
        // Someone may wait for the batch at hand.
        await this.#dispatch(true);
        await this.#queue.room();
      } else if (this.#toDispatch.length > 0) {
        await this.#dispatch(false);
      }
    }
  }

  /** The record of `key`; those before it are gone from the file system. */
  #seek(key: ByteString | undefined): TrackRecord | undefined {
    while (this.#record !== undefined) {
      const at = this.#record.key;
      if (key !== undefined && at >= key) return at === key ? this.#record : undefined;
      this.deleted++;
      this.#breakRun();
      this.#record = this.#options.log!.next();
    }
    return undefined;
  }

  /** A folder may have been on the way only, and be wanted whole now, or the other way round. */
  #wasAncestor(record: TrackRecord, entry: WalkedEntry): boolean {
    const flags = record.value[1];
    return ((flags & ENTRY_ANCESTOR) !== 0) !== entry.isAncestor;
  }

  /**
   * A group of hard links is named by its first path, which another may have become although the inode
   * was not touched: a folder above was renamed, say. Kept, the old name could meet a new group's.
   */
  #keepsLinkGroup(record: TrackRecord, entry: WalkedEntry): boolean {
    if (!isLinked(entry)) return true;
    const first = this.#links.get(linkNumber(entry));
    return decodeEntry(record.value).linkGroup === (first?.path ?? entry.folder + entry.name);
  }

  #unchanged(record: TrackRecord, entry: WalkedEntry): void {
    if (record.flags & TRACK_BEGINS_LEAF) {
      this.#breakRun();
      this.#inRun = true;
    }
    if (isLinked(entry)) {
      const { value, statWords } = record;
      this.#remember(entry, {
        path: entry.folder + entry.name,
        value: Buffer.from(value),
        words: statWords.slice(),
        captured: undefined,
      });
    }
    if (!this.#inRun) {
      this.#queue.push({ kind: 'record', record });
      return;
    }
    this.#run.push(record);
    if (record.flags & TRACK_ENDS_LEAF) {
      this.#queue.push({ kind: 'leaf', records: this.#run, leaf: record.leaf(this.#run[0].key) });
      this.#run = [];
      this.#inRun = false;
    }
  }

  /** The leaf at hand cannot be taken over whole. */
  #breakRun(): void {
    for (const record of this.#run) this.#queue.push({ kind: 'record', record });
    this.#run = [];
    this.#inRun = false;
  }

  #remember(entry: WalkedEntry, first: FirstLink): void {
    const inode = linkNumber(entry);
    if (!this.#links.has(inode)) this.#links.set(inode, first);
  }

  #capture(entry: WalkedEntry, before: TrackRecord | undefined): EntryItem | undefined {
    const words = wordsOf(entry.stat);
    const type = typeOf(words);
    const path = entry.key === '' ? '/' : entry.folder + entry.name;
    if (type === undefined) return undefined;
    const sameAs = isLinked(entry) ? this.#links.get(linkNumber(entry)) : undefined;
    const first =
      isLinked(entry) && sameAs === undefined
        ? { path, words, value: undefined, captured: undefined }
        : undefined;
    const item: EntryItem = {
      kind: 'entry',
      key: entry.key,
      path,
      words,
      isAncestor: entry.isAncestor,
      before,
      rdev: [entry.stat.rdevMajor, entry.stat.rdevMinor],
      linkGroup: (sameAs ?? first)?.path,
      source: sameAs === undefined ? undefined : { sameAs },
      first,
      captured: undefined,
    };
    if (sameAs !== undefined) return item;
    try {
      if (type === EntryType.file) this.#read(item, entry);
      else item.captured = captureOther(path, type, entry.isAncestor);
    } catch (error) {
      const code = errnoOf(error);
      if (code === undefined) throw error;
      if (code !== 'ENOENT') this.#options.failed(path, { code, message: (error as Error).message });
      return undefined;
    }
    if (first !== undefined) this.#remember(entry, first);
    return item;
  }

  #read(item: EntryItem, entry: WalkedEntry): void {
    const size = sizeOf(item.words);
    const isSparse = entry.stat.blocks * 512 < size;
    // A few bytes in an inode or a compressed file take no block either; they have no room for holes.
    if (size < SMALL_FILE_BYTES_MAX && !(isSparse && size >= 4096)) {
      if (!this.#batch.fits(item.words)) this.#toDispatch.push(this.#nextBatch());
      item.source = { batch: this.#batch, index: this.#batch.add(item.path, item.words) };
      return;
    }
    const long = this.#options.captureLong(item, isSparse);
    long.catch(() => {});
    item.source = { long };
  }

  readonly #toDispatch: ReadBatch[] = [];

  #nextBatch(): ReadBatch {
    const full = this.#batch;
    this.#batch = new ReadBatch();
    return full;
  }

  /** Has the full batches read, and the one at hand too if `all`. */
  async #dispatch(all: boolean): Promise<void> {
    if (all && !this.#batch.isEmpty) this.#toDispatch.push(this.#nextBatch());
    for (const batch of this.#toDispatch.splice(0)) await batch.dispatch(this.#options.pipeline);
  }
}

function isLinked({ stat }: WalkedEntry): boolean {
  return stat.nlink > 1 && stat.type !== S_IFDIR;
}

function linkNumber({ stat }: WalkedEntry): string {
  return `${stat.deviceMajor}:${stat.deviceMinor}:${stat.inodeHigh}:${stat.inodeLow}`;
}

/** Everything but files: read here, since it takes a call or two. */
function captureOther(path: ByteString, type: EntryType, isAncestor: boolean): Captured {
  const captured = {
    fingerprint: undefined,
    content: undefined,
    inodeFlags: 0,
    target: undefined,
    changedWhileRead: false,
  };
  if (type === EntryType.symlink)
    return reachPath(path, (dirfd, name) => ({
      ...captured,
      target: readlinkAt(dirfd, name),
      xattrs: xattrsAt(dirfd, name),
    }));
  if (type !== EntryType.folder || isAncestor)
    return { ...captured, xattrs: reachPath(path, (dirfd, name) => xattrsAt(dirfd, name)) };
  const fd = openDirectoryPath(path);
  try {
    return { ...captured, inodeFlags: getInodeFlags(fd) & RESTORABLE_FLAGS, xattrs: xattrsOfFd(fd) };
  } finally {
    close(fd);
  }
}

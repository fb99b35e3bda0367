import { type BoundedQueue, type ByteString, errnoOf } from '../base/mod.ts';
import { type ChunkPipeline, type ReadResult, ReadStatus, SMALL_FILE_BYTES_MAX } from '../chunk/mod.ts';
import { decodeEntry, EntryType } from '../format/mod.ts';
import { reachPath, StatBuffer } from '../os/mod.ts';
import type { WriteSession } from '../repository/mod.ts';
import type { ChunkGroup } from './chunk-group.ts';
import { refersToStored } from './content-draft.ts';
import { type Captured, type EntryItem, type Item, weightOf } from './item.ts';
import type { KnownFiles } from './known-files.ts';
import type { LongFile } from './long-file.ts';
import { ReadBatch } from './read-batch.ts';
import { sizeOf, wordsOf } from './stat-words.ts';

/**
 * An open shared chunk is ended when so many entries came after its first: they are all held in memory.
 * A queue that holds more never fills while its first entry waits for a chunk that is still open.
 */
export const WAITING_MAX = 16_000;

export interface DecideOptions {
  readonly pipeline: ChunkPipeline;
  readonly group: ChunkGroup;
  readonly session: WriteSession;
  /** The files of the last image, read when the first new file comes. */
  known(): Promise<KnownFiles>;
  captureLong(item: EntryItem, isSparse: boolean): Promise<LongFile>;
  failed(path: ByteString, error: { readonly code: string; readonly message: string }): void;
  read(bytes: number): void;
}

/**
 * Takes what was read, in key order, and decides what is stored: so duplicates resolve to the first
 * path, and which files share a chunk follows from the tree alone, whatever the workers' timing.
 */
export class Decider {
  readonly #options: DecideOptions;
  readonly #stat = new StatBuffer();
  #waiting = 0;

  constructor(options: DecideOptions) {
    this.#options = options;
  }

  async run(from: BoundedQueue<Item>, to: BoundedQueue<Item>): Promise<void> {
    const { group } = this.#options;
    for (let item = await from.take(); item !== undefined; item = await from.take()) {
      if (item.kind === 'entry' && item.source !== undefined && 'batch' in item.source) {
        if (!(await this.#small(item, item.source.batch, item.source.index))) continue;
      }
      to.push(item);
      if (group.isEmpty) this.#waiting = 0;
      else {
        this.#waiting += weightOf(item);
        if (this.#waiting > WAITING_MAX) {
          group.close();
          this.#waiting = 0;
        }
      }
      if (to.isFull) await to.room();
    }
    await group.finish();
  }

  /** Whether the entry is to be kept. */
  async #small(item: EntryItem, batch: ReadBatch, index: number): Promise<boolean> {
    const result = await batch.result;
    try {
      if (result.status[index] === ReadStatus.whole) {
        item.captured = await this.#store(item, batch, index, result, false);
        return true;
      }
      if (result.status[index] === ReadStatus.failed) return this.#failed(item, result, index);
    } finally {
      batch.done();
    }
    return this.#again(item);
  }

  /** The file was written between the walk and the end of reading: once more, and then as it was read. */
  async #again(item: EntryItem): Promise<boolean> {
    try {
      if (!reachPath(item.path, (dirfd, name) => this.#stat.at(dirfd, name))) return false;
    } catch (error) {
      const code = errnoOf(error);
      if (code === undefined) throw error;
      this.#options.failed(item.path, { code, message: (error as Error).message });
      return false;
    }
    item.words = wordsOf(this.#stat);
    if (sizeOf(item.words) >= SMALL_FILE_BYTES_MAX) {
      const long = this.#options.captureLong(item, true);
      long.catch(() => {});
      item.source = { long };
      return true;
    }
    const batch = new ReadBatch();
    batch.add(item.path, item.words);
    const { pipeline } = this.#options;
    await batch.dispatch(pipeline, pipeline.pools.again);
    const result = await batch.result;
    try {
      if (result.status[0] === ReadStatus.failed) return this.#failed(item, result, 0);
      item.captured = await this.#store(item, batch, 0, result, result.status[0] === ReadStatus.changed);
      return true;
    } finally {
      batch.done();
    }
  }

  #failed(item: EntryItem, result: ReadResult, index: number): false {
    const failure = result.failures.find((candidate) => candidate.index === index)!;
    if (failure.errno !== 'ENOENT')
      this.#options.failed(item.path, { code: failure.errno, message: failure.message });
    return false;
  }

  async #store(
    item: EntryItem,
    batch: ReadBatch,
    index: number,
    result: ReadResult,
    changedWhileRead: boolean,
  ): Promise<Captured> {
    const { group, session, known, read } = this.#options;
    const length = result.lengths[index];
    const fingerprint = result.fingerprints.slice(index * 32, index * 32 + 32);
    const { inodeFlags, xattrs } = result.attributes;
    const found = xattrs.find((candidate) => candidate.index === index);
    const rest = {
      fingerprint,
      xattrs: found?.xattrs ?? [],
      inodeFlags: inodeFlags[index],
      target: undefined,
      changedWhileRead,
    };
    read(length);
    if (length === 0) return { ...rest, content: { pieces: [] } };
    const before = item.before === undefined ? undefined : decodeEntry(item.before.value);
    // What the repository lost is stored anew, now that its bytes are at hand.
    if (
      before?.type === EntryType.file &&
      Buffer.compare(before.fingerprint!, fingerprint) === 0 &&
      refersToStored(before.content!, session)
    )
      return { ...rest, content: before.content };
    const files = await known();
    const place = files.find(fingerprint);
    if (place?.length === length && (place.chunk.id === undefined || session.has(place.chunk.id)))
      return { ...rest, content: place };
    const { chunk, offset } = await group.add(batch.bytes(index, length));
    files.set(fingerprint, { chunk, offset, length });
    return { ...rest, content: { chunk, offset, length } };
  }
}

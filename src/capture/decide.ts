import { type BoundedQueue, type ByteString, errnoOf } from '../base/mod.ts';
import { type ChunkPipeline, type ReadResult, ReadStatus, SMALL_FILE_BYTES_MAX } from '../chunk/mod.ts';
import { type Content, decodeEntry, EntryType, ID_BYTES } from '../format/mod.ts';
import { StatBuffer } from '../os/mod.ts';
import type { WriteSession } from '../repository/mod.ts';
import type { ChunkGroup } from './chunk-group.ts';
import { refersToStored } from './content-draft.ts';
import { type Captured, type EntryItem, type Item, weightOf } from './item.ts';
import type { KnownFiles, KnownPlace } from './known-files.ts';
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
  #files: KnownFiles | undefined;
  #waiting = 0;

  constructor(options: DecideOptions) {
    this.#options = options;
  }

  async run(from: BoundedQueue<Item>, to: BoundedQueue<Item>): Promise<void> {
    const { group } = this.#options;
    for (;;) {
      const item = from.poll() ?? (await from.take());
      if (item === undefined) break;
      if (item.kind === 'entry' && item.source !== undefined && 'batch' in item.source) {
        const { batch, index } = item.source;
        const result = batch.answer ?? (await batch.result);
        if (result.status[index] === ReadStatus.whole) {
          try {
            // Most need not wait, and promises for each of millions of files would cost more than the rest.
            if (!this.#capture(item, batch, index, result))
              await this.#captureWhenReady(item, batch, index, result);
          } finally {
            batch.done();
          }
        } else if (!(await this.#notWhole(item, batch, index, result))) continue;
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
  async #notWhole(item: EntryItem, batch: ReadBatch, index: number, result: ReadResult): Promise<boolean> {
    batch.done();
    return result.status[index] === ReadStatus.failed ? this.#failed(item, result, index) : this.#again(item);
  }

  /** The file was written between the walk and the end of reading: once more, and then as it was read. */
  async #again(item: EntryItem): Promise<boolean> {
    try {
      if (!this.#stat.path(item.path)) return false;
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
      await this.#captureWhenReady(item, batch, 0, result);
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

  async #captureWhenReady(
    item: EntryItem,
    batch: ReadBatch,
    index: number,
    result: ReadResult,
  ): Promise<void> {
    if (this.#capture(item, batch, index, result)) return;
    this.#files ??= await this.#options.known();
    await this.#options.group.ready();
    if (!this.#capture(item, batch, index, result)) throw new Error('the group was used by another');
  }

  /** Decides on a file that was read. False, and nothing is done, where that has to wait for known files or memory. */
  #capture(item: EntryItem, batch: ReadBatch, index: number, result: ReadResult): boolean {
    const { group, read } = this.#options;
    const { lengths, fingerprints, status, attributes } = result;
    const length = lengths[index];
    const fingerprint = Buffer.from(
      fingerprints.buffer,
      fingerprints.byteOffset + index * ID_BYTES,
      ID_BYTES,
    );
    const before = this.#contentBefore(item, fingerprint, length);
    if (before === undefined && (this.#files === undefined || !group.isReady)) return false;
    read(length);
    item.captured = {
      fingerprint,
      content: before ?? this.#store(batch, index, fingerprint, length),
      xattrs: attributes.xattrs.find((one) => one.index === index)?.xattrs ?? NO_XATTRS,
      inodeFlags: attributes.inodeFlags[index],
      target: undefined,
      changedWhileRead: status[index] === ReadStatus.changed,
    };
    return true;
  }

  /** The content that the last image has, if it is the same; what the repository lost of it is stored anew. */
  #contentBefore(item: EntryItem, fingerprint: Buffer, length: number): Content | undefined {
    if (length === 0) return { pieces: [] };
    if (item.before === undefined) return undefined;
    const before = decodeEntry(item.before.value);
    return before.type === EntryType.file &&
      fingerprint.equals(before.fingerprint!) &&
      refersToStored(before.content!, this.#options.session)
      ? before.content
      : undefined;
  }

  /** Finds the bytes of a file among those that are stored, or adds them. */
  #store(batch: ReadBatch, index: number, fingerprint: Buffer, length: number): KnownPlace {
    const { group, session } = this.#options;
    const known = this.#files!.find(fingerprint);
    if (known?.length === length && (known.chunk.id === undefined || session.has(known.chunk.id)))
      return known;
    const { chunk, offset } = group.add(batch.bytes(index, length));
    const place = { chunk, offset, length };
    this.#files!.set(fingerprint, place);
    return place;
  }
}

const NO_XATTRS: Captured['xattrs'] = [];

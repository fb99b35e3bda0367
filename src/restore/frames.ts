import { bufferOf, type EverfullError, hexOf, isEverfullError } from '../base/mod.ts';
import { decodeFrame, FRAME_BYTES_MAX } from '../format/mod.ts';
import { type FramePlace, packName, type Repository } from '../repository/mod.ts';
import { type Crew, SLAB_BYTES } from './crew.ts';
import type { Failure } from './failure.ts';
import { giveBack } from './give-back.ts';
import type { Loaded, LoadedFrame } from './tasks.ts';

/** A stored chunk and where it lies. */
export interface FrameRef {
  readonly id: Uint8Array;
  /** The id as a string, for maps. */
  readonly key: string;
  readonly pack: Uint8Array;
  readonly packKey: string;
  readonly offset: number;
  readonly length: number;
}

const RECENT_MAX = 1000;

/** Frames with less than this between them are read in one go. */
const GAP_BYTES_MAX = 64 * 1024;

/** Fetches stored chunks for the workers, neighbours in a pack by one read. */
export class FrameFetcher {
  readonly #repository: Repository;
  readonly #crew: Crew;
  /** Files that share a chunk follow one another. */
  readonly #recent = new Map<string, FrameRef>();
  readonly #keys = new Map<string, Promise<Buffer | undefined>>();
  /** ms. */
  time = 0;

  constructor(repository: Repository, crew: Crew) {
    this.#repository = repository;
    this.#crew = crew;
  }

  /** Where a chunk lies, as far as is known without asking the store. */
  find(id: Uint8Array): FrameRef | undefined {
    const key = bufferOf(id).toString('latin1');
    let ref = this.#recent.get(key);
    if (ref !== undefined) return ref;
    const place = this.#repository.index.find(id);
    if (place === undefined) return undefined;
    ref = refOf(id, key, place);
    if (this.#recent.size === RECENT_MAX) this.#recent.clear();
    this.#recent.set(key, ref);
    return ref;
  }

  /** Where a chunk lies. Rejects with 'object-missing'. */
  async locate(id: Uint8Array): Promise<FrameRef> {
    return (
      this.find(id) ?? refOf(id, bufferOf(id).toString('latin1'), await this.#repository.frames.locate(id))
    );
  }

  /**
   * The frames in a slab of their own, in the order asked for; they must fit. The caller releases the
   * slab. What cannot be fetched stands as a failure in its place.
   */
  async fetch(frames: readonly FrameRef[]): Promise<Loaded> {
    const slab = await this.#crew.acquire();
    const start = performance.now();
    try {
      const bytes = new Map<string, Uint8Array | EverfullError>();
      const read = await Promise.all(rangesOf(frames).map((range) => this.#read(range, bytes)));
      const memory = this.#crew.memory(slab);
      const keys = new Map<string, Buffer>();
      const loaded: LoadedFrame[] = [];
      let at = 0;
      for (const { id, key } of frames) {
        const found = bytes.get(key)!;
        if (!(found instanceof Uint8Array) || at + found.length > SLAB_BYTES) {
          loaded.push({
            id,
            at,
            length: 0,
            failure: found instanceof Uint8Array ? TOO_LONG : { code: found.code, reason: found.message },
          });
          continue;
        }
        memory.set(found, at);
        loaded.push({ id, at, length: found.length, failure: undefined });
        at += found.length;
        const dataKey = await this.#dataKey(found);
        if (dataKey !== undefined) keys.set(hexOf(dataKey.id), dataKey.key);
      }
      for (const buffer of read) if (buffer !== undefined) giveBack(buffer);
      return {
        slab,
        frames: loaded,
        keys: [...keys].map(([id, key]) => ({ id: Buffer.from(id, 'hex'), key })),
      };
    } catch (error) {
      this.#crew.release(slab);
      throw error;
    } finally {
      this.time += performance.now() - start;
    }
  }

  async #read(
    range: readonly FrameRef[],
    bytes: Map<string, Uint8Array | EverfullError>,
  ): Promise<Uint8Array | undefined> {
    const first = range[0];
    const last = range.at(-1)!;
    try {
      const read = await this.#repository.store.get(packName(first.pack), {
        range: { offset: first.offset, length: last.offset + last.length - first.offset },
      });
      for (const { key, offset, length } of range)
        bytes.set(key, read.subarray(offset - first.offset, offset - first.offset + length));
      this.#repository.frames.read.chunks += range.length;
      return read;
    } catch (error) {
      if (!isEverfullError(error)) throw error;
      // One of them may be what the pack lacks: each alone, wherever it is by now.
      await Promise.all(
        range.map(async ({ id, key }) =>
          bytes.set(key, await orError(this.#repository.frames.storedFrame(id))),
        ),
      );
    }
  }

  /** The key that a frame is sealed with; undefined where the frame, or the key, cannot be read, which opening it will tell. */
  async #dataKey(frame: Uint8Array): Promise<{ id: Uint8Array; key: Buffer } | undefined> {
    let id: Uint8Array;
    try {
      id = Buffer.from(decodeFrame(frame).header.dataKeyId);
    } catch (error) {
      if (!isEverfullError(error, 'damaged')) throw error;
      return undefined;
    }
    const name = hexOf(id);
    let known = this.#keys.get(name);
    if (known === undefined) {
      known = this.#readDataKey(id);
      this.#keys.set(name, known);
    }
    const key = await known;
    return key === undefined ? undefined : { id, key };
  }

  async #readDataKey(id: Uint8Array): Promise<Buffer | undefined> {
    try {
      const dataKey = await this.#repository.dataKey(id);
      return dataKey && Buffer.from(dataKey.key);
    } catch (error) {
      if (!isEverfullError(error) || error.code === 'keys-rotated') throw error;
      return undefined;
    }
  }
}

function refOf(id: Uint8Array, key: string, { pack, offset, length }: FramePlace): FrameRef {
  return { id: Buffer.from(id), key, pack, packKey: bufferOf(pack).toString('latin1'), offset, length };
}

const TOO_LONG: Omit<Failure, 'index'> = { code: 'damaged', reason: 'it is longer than the index says' };

async function orError<T>(work: Promise<T>): Promise<T | EverfullError> {
  try {
    return await work;
  } catch (error) {
    if (!isEverfullError(error)) throw error;
    return error;
  }
}

/** Runs of frames that lie close together, each to be read at once. */
function rangesOf(frames: readonly FrameRef[]): FrameRef[][] {
  const ordered = frames.toSorted((a, b) =>
    a.packKey === b.packKey ? a.offset - b.offset : a.packKey < b.packKey ? -1 : 1,
  );
  const ranges: FrameRef[][] = [];
  let last: FrameRef | undefined;
  let start = 0;
  for (const frame of ordered) {
    const isNear =
      last !== undefined &&
      frame.packKey === last.packKey &&
      frame.offset <= last.offset + last.length + GAP_BYTES_MAX &&
      frame.offset + frame.length - start <= 2 * FRAME_BYTES_MAX;
    if (isNear) {
      ranges.at(-1)!.push(frame);
    } else {
      ranges.push([frame]);
      start = frame.offset;
    }
    last = frame;
  }
  return ranges;
}

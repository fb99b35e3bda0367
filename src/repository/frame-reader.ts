import { bufferOf, EverfullError, hexOf } from '../base/mod.ts';
import type { OpenedFrame } from '../chunk/mod.ts';
import { decodeFrame, FRAME_BYTES_MAX, FrameKind } from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { ByteCache } from './byte-cache.ts';
import type { ChunkIndex, FramePlace } from './chunk-index.ts';
import { packName } from './names.ts';
import { isLoss } from './pack-reading.ts';

const NODE_CACHE_BYTES = 32 * 1024 * 1024;
const NODE_WINDOW_BYTES = 256 * 1024;

/** Opens a stored frame, and checks that it is the one of this kind and id. */
type OpenFrame = (bytes: Uint8Array, kind: FrameKind, id: Uint8Array) => Promise<OpenedFrame>;

/** Reads frames wherever they lie, also while others move them. */
export class FrameReader {
  /** How many frames were fetched, by kind: for those who watch over cost. */
  readonly read = { chunks: 0, nodes: 0 };
  readonly #store: ObjectStore;
  readonly #index: ChunkIndex;
  readonly #open: OpenFrame;
  readonly #frames = new ByteCache(NODE_CACHE_BYTES);
  #recovered: Promise<void> | undefined;
  #refreshing: Promise<void> | undefined;

  constructor(store: ObjectStore, index: ChunkIndex, open: OpenFrame) {
    this.#store = store;
    this.#index = index;
    this.#open = open;
  }

  /** What is read from now on may be newer than the index: what is missed is looked for again. */
  expectNewer(): void {
    this.#recovered = undefined;
  }

  /** Takes in what others stored and deleted since. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#index.recover().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /**
   * The plain bytes of a chunk or node. Nodes are kept in a small cache; two that ask for one fetch it once.
   * Rejects with 'damaged', or 'object-missing' where no pack has it.
   */
  frame(kind: FrameKind, id: Uint8Array): Promise<OpenedFrame> {
    return this.#frames.get(`${kind}${bufferOf(id).toString('latin1')}`, async () => {
      const value = await this.fetch(id, (bytes) => this.#open(bytes, kind, id));
      return { value, bytes: value.plain.length };
    });
  }

  /** A frame as it is stored, sound as far as its own header tells. */
  storedFrame(id: Uint8Array): Promise<Uint8Array> {
    return this.fetch(id, async (bytes) => {
      decodeFrame(bytes);
      return bytes;
    });
  }

  /**
   * What `use` makes of a frame as it is stored. Where that is damaged, or gone, it is tried at each other
   * place that has the frame, those included that came to be since the index was read, and the last error
   * is thrown. Rejects with 'object-missing' where no pack has it.
   */
  async fetch<T>(id: Uint8Array, use: (bytes: Uint8Array) => Promise<T>): Promise<T> {
    const tried = new Set<string>();
    let error: EverfullError | undefined;
    for (;;) {
      let isStale = false;
      for (const place of this.#index.places(id)) {
        const pack = hexOf(place.pack);
        if (tried.has(pack)) continue;
        tried.add(pack);
        try {
          return await use(await this.#stored(place));
        } catch (failure) {
          if (!isLoss(failure)) throw failure;
          error = failure;
          isStale ||= failure.code === 'object-missing';
        }
      }
      // A collector moved it, or another session may have stored it anew.
      if (isStale) await this.refresh();
      else if (this.#recovered === undefined) await this.#recover();
      else if (this.#index.places(id).every(({ pack }) => tried.has(hexOf(pack))))
        throw error ?? this.#missing(id);
    }
  }

  async #stored(place: FramePlace): Promise<Uint8Array> {
    const name = packName(place.pack);
    if (place.kind === FrameKind.chunk) {
      this.read.chunks++;
      return this.#store.get(name, {
        range: { offset: place.offset, length: place.length },
        limit: FRAME_BYTES_MAX,
      });
    }
    this.read.nodes++;
    return this.#storedNode(name, place);
  }

  /** Nodes are short and lie side by side: a window of the pack brings those that will be asked for next. */
  async #storedNode(name: string, { offset, length, packBytes }: FramePlace): Promise<Uint8Array> {
    const start = offset - (offset % NODE_WINDOW_BYTES);
    const end = Math.min(start + NODE_WINDOW_BYTES, packBytes);
    if (offset + length > end)
      return this.#store.get(name, { range: { offset, length }, limit: FRAME_BYTES_MAX });
    const window = await this.#frames.get(`${name}@${start}`, async () => {
      const value = await this.#store.get(name, { range: { offset: start, length: end - start } });
      return { value, bytes: value.length };
    });
    return window.subarray(offset - start, offset - start + length);
  }

  /** Where a frame lies. A miss is looked up once more in what the store has now. Rejects with 'object-missing'. */
  async locate(id: Uint8Array): Promise<FramePlace> {
    const place = this.#index.find(id);
    if (place !== undefined) return place;
    await this.#recover();
    const found = this.#index.find(id);
    if (found === undefined) throw this.#missing(id);
    return found;
  }

  /** Those who miss frames at the same time, or one after another, look once: a lost pack has many of them. */
  #recover(): Promise<void> {
    this.#recovered ??= this.refresh();
    return this.#recovered;
  }

  #missing(id: Uint8Array): EverfullError {
    return new EverfullError(
      'object-missing',
      `Could not find frame ${hexOf(id).slice(0, 16)}: no pack of the repository at ${this.#store.location} has it`,
    );
  }
}

import { type ChunkPipeline, GROUP_BYTES_TARGET, type SealedChunk } from '../chunk/mod.ts';
import type { WriteSession } from '../repository/mod.ts';
import type { ChunkRef } from './known-files.ts';

/** What a group of files or of changed blocks has stored. */
export interface StoredCounts {
  bytesAdded: number;
  bytesAddedStored: number;
  chunksAdded: number;
}

/**
 * Gathers short runs of bytes into chunks of about 1 MiB. The bytes are copied into memory of the
 * group's own, so that what they came from can be used again at once.
 */
export class ChunkGroup {
  readonly #pipeline: ChunkPipeline;
  readonly #session: WriteSession;
  readonly #counts: StoredCounts;
  #memory = -1;
  #bytes = 0;
  #ref: ChunkRef = { id: undefined };
  #sealed: Promise<void> = Promise.resolve();
  #waiting: (() => void)[] = [];
  #failure: unknown;

  constructor(pipeline: ChunkPipeline, session: WriteSession, counts: StoredCounts) {
    this.#pipeline = pipeline;
    this.#session = session;
    this.#counts = counts;
  }

  /** Whether {@link add} may be called at once. */
  get isReady(): boolean {
    return this.#memory >= 0;
  }

  /** Waits for memory for the open chunk. */
  async ready(): Promise<void> {
    if (this.#memory < 0) this.#memory = await this.#pipeline.pools.groups.acquire();
  }

  /** Copies `bytes` (at most 512 KiB) into the open chunk. Call {@link ready} before each. */
  add(bytes: Uint8Array): { chunk: ChunkRef; offset: number } {
    const offset = this.#bytes;
    this.#pipeline.memory(this.#memory).set(bytes, offset);
    this.#bytes += bytes.length;
    const chunk = this.#ref;
    if (this.#bytes >= GROUP_BYTES_TARGET) this.close();
    return { chunk, offset };
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** Ends the open chunk. Its reference gets an id some time later; see {@link settled}. */
  close(): void {
    if (this.#bytes === 0) return;
    const memory = this.#memory;
    const ref = this.#ref;
    const length = this.#bytes;
    this.#memory = -1;
    this.#bytes = 0;
    this.#ref = { id: undefined };
    this.#sealed = Promise.all([this.#sealed, this.#seal(memory, length, ref)]).then(() => undefined);
    this.#sealed.catch((error: unknown) => {
      this.#failure ??= error;
      this.#wake();
    });
  }

  async #seal(memory: number, length: number, ref: ChunkRef): Promise<void> {
    try {
      const [sealed] = await this.#pipeline.run({
        type: 'seal',
        slab: memory,
        chunks: [{ at: 0, length, id: undefined }],
      });
      storeChunk(this.#session, sealed, this.#pipeline.memory(memory), this.#counts);
      ref.id = sealed.id;
      this.#wake();
      // Held until then, the memory keeps those who add from going faster than the store takes.
      await this.#session.room();
    } finally {
      this.#pipeline.pools.groups.release(memory);
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /**
   * Resolves once `ref` has its id. It does not end the open chunk: when that ends must follow from what
   * is added alone, not from who waits.
   */
  async settled(ref: ChunkRef): Promise<Uint8Array> {
    while (ref.id === undefined) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return ref.id;
  }

  /** Gives back the memory of the open chunk, which nobody will refer to. */
  abandon(): void {
    if (this.#memory < 0) return;
    this.#pipeline.pools.groups.release(this.#memory);
    this.#memory = -1;
    this.#bytes = 0;
  }

  /** Ends the open chunk and waits until all are with the session. */
  async finish(): Promise<void> {
    this.close();
    await this.#sealed;
  }
}

/** Gives a sealed chunk to the session, which copies it, unless the repository has it. */
export function storeChunk(
  session: WriteSession,
  sealed: SealedChunk,
  slab: Uint8Array,
  counts: StoredCounts,
): void {
  if (session.has(sealed.id)) return;
  session.addChunk(sealed.id, slab.subarray(sealed.at, sealed.at + sealed.frameLength), sealed.digest);
  counts.bytesAdded += sealed.plainLength;
  counts.bytesAddedStored += sealed.frameLength;
  counts.chunksAdded++;
}

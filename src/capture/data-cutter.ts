import { type ChunkPipeline, type ChunkToSeal, SCAN_BYTES, SMALL_FILE_BYTES_MAX } from '../chunk/mod.ts';
import type { DomainSecrets } from '../crypto/mod.ts';
import type { WriteSession } from '../repository/mod.ts';
import { type StoredCounts, storeChunk } from './chunk-group.ts';

export interface DataCutterTools {
  readonly pipeline: ChunkPipeline;
  readonly session: WriteSession;
  readonly secrets: DomainSecrets;
  readonly counts: StoredCounts;
}

/** Cuts the data of one file, which come in order and in any pieces, and stores the chunks that are new. */
export class DataCutter {
  /** What was cut so far, in order. */
  readonly chunks: { readonly id: Uint8Array; readonly length: number }[] = [];
  /** Bytes taken in. */
  length = 0;
  readonly #tools: DataCutterTools;
  readonly #sealing: Promise<void>[] = [];
  #failure: unknown;
  #slab = -1;
  #filled = 0;

  constructor(tools: DataCutterTools) {
    this.#tools = tools;
  }

  /** Copies the bytes; waits for memory and for the store. */
  async add(bytes: Uint8Array): Promise<void> {
    const { pipeline } = this.#tools;
    for (let at = 0; at < bytes.length; ) {
      if (this.#slab < 0) this.#slab = await pipeline.pools.scans.acquire();
      const part = bytes.subarray(at, at + SCAN_BYTES - this.#filled);
      pipeline.memory(this.#slab).set(part, this.#filled);
      this.#filled += part.length;
      this.length += part.length;
      at += part.length;
      if (this.#filled === SCAN_BYTES) await this.#cut(false);
      if (this.#failure !== undefined) throw this.#failure;
    }
  }

  /** Resolves when all chunks are with the session; of short data to the fingerprint that a small file of them has. */
  async finish(): Promise<Buffer | undefined> {
    const { pipeline, secrets } = this.#tools;
    const bytes = this.#slab < 0 ? new Uint8Array(0) : pipeline.memory(this.#slab).subarray(0, this.#filled);
    // Before the frames take the place of the bytes.
    const fingerprint = this.length < SMALL_FILE_BYTES_MAX ? secrets.fileFingerprint(bytes) : undefined;
    if (this.#slab >= 0) await this.#cut(true);
    await Promise.all(this.#sealing);
    if (this.#failure !== undefined) throw this.#failure;
    return fingerprint;
  }

  async #cut(isLast: boolean): Promise<void> {
    const { pipeline, session, counts } = this.#tools;
    const slab = this.#slab;
    const memory = pipeline.memory(slab);
    const filled = this.#filled;
    const { chunks, used } = await pipeline.run({ type: 'cut', slab, length: filled, isLast });
    this.#slab = isLast ? -1 : await pipeline.pools.scans.acquire();
    // Before the frames take the place of the bytes.
    if (!isLast) pipeline.memory(this.#slab).set(memory.subarray(used, filled));
    this.#filled = filled - used;
    const toSeal: ChunkToSeal[] = [];
    for (const { id, at, length } of chunks) {
      this.chunks.push({ id, length });
      if (!session.has(id)) toSeal.push({ at, length, id });
    }
    this.#sealing.push(this.#seal(slab, toSeal, memory, counts));
    await session.room();
  }

  async #seal(slab: number, chunks: readonly ChunkToSeal[], memory: Uint8Array, counts: StoredCounts) {
    const { pipeline, session } = this.#tools;
    try {
      if (chunks.length === 0) return;
      for (const one of await pipeline.run({ type: 'seal', slab, chunks }))
        storeChunk(session, one, memory, counts);
    } catch (error) {
      this.#failure ??= error;
    } finally {
      pipeline.pools.scans.release(slab);
    }
  }
}

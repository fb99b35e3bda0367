import type { ByteString } from '../base/mod.ts';
import { BATCH_BYTES, type ChunkPipeline, type ReadResult, type Slabs, STAT_FIELDS } from '../chunk/mod.ts';
import { sizeOf, statFields } from './stat-words.ts';

/** Files a batch: bounds what a message carries. */
const FILES_MAX = 512;

/** Small files that a worker reads in one go. */
export class ReadBatch {
  readonly #paths: ByteString[] = [];
  readonly #words: Uint32Array[] = [];
  readonly #places: number[] = [];
  #bytes = 0;
  #slab = -1;
  #left = 0;
  #pipeline: ChunkPipeline | undefined;
  #pool: Slabs | undefined;
  readonly #result = Promise.withResolvers<ReadResult>();
  #answer: ReadResult | undefined;

  constructor() {
    // Whoever waits for the batch meets the failure; until then it is nobody's.
    this.#result.promise.catch(() => {});
  }

  get isEmpty(): boolean {
    return this.#paths.length === 0;
  }

  fits(words: Uint32Array): boolean {
    return this.#paths.length < FILES_MAX && this.#bytes + sizeOf(words) <= BATCH_BYTES;
  }

  /** The file's index in the batch. */
  add(path: ByteString, words: Uint32Array): number {
    this.#places.push(this.#bytes);
    this.#bytes += sizeOf(words);
    this.#words.push(words);
    return this.#paths.push(path) - 1;
  }

  /** Has the files read, once memory of `pool` is free. */
  async dispatch(pipeline: ChunkPipeline, pool: Slabs = pipeline.pools.batches): Promise<void> {
    this.#pipeline = pipeline;
    this.#pool = pool;
    this.#left = this.#paths.length;
    this.#slab = await pool.acquire();
    const stats = new Float64Array(this.#words.length * STAT_FIELDS);
    this.#words.forEach((words, i) => {
      statFields(words, stats, i * STAT_FIELDS);
    });
    pipeline
      .run({
        type: 'read',
        slab: this.#slab,
        paths: this.#paths.join('\0'),
        stats,
        places: Uint32Array.from(this.#places),
        end: this.#bytes,
      })
      .then((answer) => {
        this.#answer = answer;
        this.#result.resolve(answer);
      }, this.#result.reject);
  }

  get result(): Promise<ReadResult> {
    return this.#result.promise;
  }

  /** The result, once it is there. */
  get answer(): ReadResult | undefined {
    return this.#answer;
  }

  /** The bytes of a file of the batch, until {@link done} was called for it. */
  bytes(index: number, length: number): Uint8Array {
    const place = this.#places[index];
    return this.#pipeline!.memory(this.#slab).subarray(place, place + length);
  }

  /** One file of the batch is done with; after the last the memory goes back. */
  done(): void {
    if (--this.#left === 0) this.#pool!.release(this.#slab);
  }
}

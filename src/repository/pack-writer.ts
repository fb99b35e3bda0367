import { randomBytes } from 'node:crypto';
import { digest } from '../crypto/mod.ts';
import { encodePackHeader, encodePackTable, PACK_BYTES_TARGET, PACK_HEADER_BYTES, PACK_NAME_BYTES, type PackRow } from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { type ChunkIndex, encodeSegment } from './chunk-index.ts';
import { packName, segmentName } from './names.ts';

/** How many packs may be on their way to the store; each holds its bytes in memory. */
const PUTS_AT_ONCE = 2;

/** Gathers frames into packs. A pack is durable before its index segment is, and both before {@link flush} resolves. */
export class PackWriter {
  readonly #store: ObjectStore;
  readonly #index: ChunkIndex;
  readonly #secretsId: Uint8Array;
  /** Resolves once frames may be stored: when their data key is. */
  readonly #ready: () => Promise<void>;
  #parts: Uint8Array[] = [];
  #rows: PackRow[] = [];
  #bytes = PACK_HEADER_BYTES;
  readonly #putting = new Set<Promise<void>>();
  #failure: unknown;
  bytesStored = 0;

  constructor(store: ObjectStore, index: ChunkIndex, secretsId: Uint8Array, ready: () => Promise<void>) {
    this.#store = store;
    this.#index = index;
    this.#secretsId = secretsId;
    this.#ready = ready;
  }

  /** Takes a frame. The caller then awaits {@link room} before it makes many more. */
  add(frame: Uint8Array, row: Omit<PackRow, 'offset' | 'length'>): void {
    this.#rows.push({ ...row, offset: this.#bytes, length: frame.length });
    this.#parts.push(frame);
    this.#bytes += frame.length;
    if (this.#bytes >= PACK_BYTES_TARGET) this.#end();
  }

  #end(): void {
    if (this.#rows.length === 0) return;
    const rows = this.#rows;
    const tail = encodePackTable(rows, digest);
    const parts = [encodePackHeader(this.#secretsId), ...this.#parts, tail];
    const bytes = this.#bytes + tail.length;
    this.#parts = [];
    this.#rows = [];
    this.#bytes = PACK_HEADER_BYTES;
    const put = this.#put(rows, parts, bytes).catch((error: unknown) => {
      this.#failure ??= error;
    });
    this.#putting.add(put);
    put.then(() => this.#putting.delete(put));
  }

  async #put(rows: readonly PackRow[], parts: readonly Uint8Array[], bytes: number): Promise<void> {
    await this.#ready();
    const name = randomBytes(PACK_NAME_BYTES);
    await this.#store.putIfAbsent(packName(name), parts);
    const segment = encodeSegment({ name, bytes }, rows);
    await this.#store.putIfAbsent(segmentName(name), [segment]);
    this.#index.addPack({ name, bytes }, rows);
    this.bytesStored += bytes + segment.length;
  }

  /** Resolves when there is room for more. Rejects when a pack could not be stored. */
  async room(): Promise<void> {
    while (this.#putting.size >= PUTS_AT_ONCE && this.#failure === undefined) await Promise.race(this.#putting);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Stores what is left and waits for all of it. */
  async flush(): Promise<void> {
    this.#end();
    await Promise.all(this.#putting);
    if (this.#failure !== undefined) throw this.#failure;
  }
}

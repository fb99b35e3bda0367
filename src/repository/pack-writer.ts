import { randomBytes } from 'node:crypto';
import { isEverfullError } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import {
  encodePackHeader,
  encodePackTable,
  FRAME_BYTES_MAX,
  PACK_BYTES_TARGET,
  PACK_NAME_BYTES,
  type PackRow,
  type TablePack,
} from '../format/mod.ts';
import { allocateAligned } from '../os/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { encodeSegment } from './chunk-index.ts';
import { packName, segmentName } from './names.ts';

/** How many packs may be on their way to the store; each holds its bytes in memory. */
const PUTS_AT_ONCE = 1;

/** While as many are, the open pack is filled so far: a store that is fast enough keeps nobody waiting. */
const OPEN_BYTES_MAX = PACK_BYTES_TARGET / 2;

const EMPTY = Buffer.alloc(0);
const FIRST_BYTES = 256 * 1024;
const SHORT_BYTES = 4 * 1024 * 1024;

/** Gathers frames into packs. A pack is durable before its index segment is, and both before {@link flush} resolves. */
export class PackWriter {
  readonly #store: ObjectStore;
  readonly #secretsId: Uint8Array;
  readonly #stored: (pack: TablePack, rows: readonly PackRow[]) => void;
  /** Resolves once frames may be stored: when their data key is. */
  readonly #ready: () => Promise<void>;
  #buffer: Buffer = EMPTY;
  /** Buffers of packs that are stored, to be filled again. */
  readonly #spare: Buffer[] = [];
  #rows: PackRow[] = [];
  #bytes = 0;
  readonly #putting = new Set<Promise<void>>();
  #failure: unknown;
  bytesStored = 0;

  /** @param stored told of each pack once it and its segment are durable */
  constructor(
    store: ObjectStore,
    secretsId: Uint8Array,
    ready: () => Promise<void>,
    stored: (pack: TablePack, rows: readonly PackRow[]) => void,
  ) {
    this.#store = store;
    this.#secretsId = secretsId;
    this.#ready = ready;
    this.#stored = stored;
  }

  /** Copies a frame into the open pack. The caller then awaits {@link room} before it makes many more. */
  add(frame: Uint8Array, row: Omit<PackRow, 'offset' | 'length'>): void {
    if (this.#rows.length === 0) {
      this.#buffer = this.#spare.pop() ?? EMPTY;
      this.#append(encodePackHeader(this.#secretsId));
    }
    this.#rows.push({ ...row, offset: this.#bytes, length: frame.length });
    this.#append(frame);
    if (this.#bytes >= PACK_BYTES_TARGET) this.#end();
  }

  #append(bytes: Uint8Array): void {
    const end = this.#bytes + bytes.length;
    if (end > this.#buffer.length) {
      // Short packs take little memory, full ones a buffer that serves again.
      const size =
        end <= SHORT_BYTES
          ? Math.max(this.#buffer.length * 2, end, FIRST_BYTES)
          : PACK_BYTES_TARGET + FRAME_BYTES_MAX;
      const grown = allocateAligned(size);
      this.#buffer.copy(grown, 0, 0, this.#bytes);
      this.#buffer = grown;
    }
    this.#buffer.set(bytes, this.#bytes);
    this.#bytes = end;
  }

  #end(): void {
    if (this.#rows.length === 0) return;
    const rows = this.#rows;
    const tail = encodePackTable(rows, digest);
    const buffer = this.#buffer;
    const parts = [buffer.subarray(0, this.#bytes), tail];
    const bytes = this.#bytes + tail.length;
    this.#rows = [];
    this.#bytes = 0;
    const put = this.#put(rows, parts, bytes)
      .then(() => void this.#spare.push(buffer))
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#putting.delete(put));
    this.#putting.add(put);
  }

  async #put(rows: readonly PackRow[], parts: readonly Uint8Array[], bytes: number): Promise<void> {
    await this.#ready();
    const name = randomBytes(PACK_NAME_BYTES);
    await this.#store.putIfAbsent(packName(name), parts);
    const segment = encodeSegment({ name, bytes }, rows);
    try {
      await this.#store.putIfAbsent(segmentName(name), [segment]);
    } catch (error) {
      // A collector that met the pack without it has put the same.
      if (!isEverfullError(error, 'object-exists')) throw error;
    }
    this.#stored({ name, bytes }, rows);
    this.bytesStored += bytes + segment.length;
  }

  /** Resolves when there is room for more. Rejects when a pack could not be stored. */
  async room(): Promise<void> {
    while (this.#putting.size >= PUTS_AT_ONCE && this.#bytes >= OPEN_BYTES_MAX && this.#failure === undefined)
      await Promise.race(this.#putting);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Stores what is left and waits for all of it. */
  async flush(): Promise<void> {
    this.#end();
    await Promise.all(this.#putting);
    if (this.#failure !== undefined) throw this.#failure;
  }
}

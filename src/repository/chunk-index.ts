import { bufferOf, isEverfullError } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import {
  decodePackTable,
  decodeSegmentRow,
  decodeTable,
  encodeSegmentRows,
  encodeTable,
  type FrameKind,
  ID_BYTES,
  PACK_FOOTER_BYTES,
  type PackRow,
  packTailBytes,
  SEGMENT_ROW_BYTES,
  type TablePack,
} from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { INDEX_PREFIX, PACK_PREFIX, packName, segmentName } from './names.ts';

/** Where a frame lies. */
export interface FramePlace {
  readonly pack: Uint8Array;
  readonly packBytes: number;
  readonly offset: number;
  readonly length: number;
  readonly kind: FrameKind;
}

/** How many objects are asked for at once. */
const GETS_AT_ONCE = 16;

/**
 * Where every frame of a repository lies: the rows of all index segments in one open-addressing hash
 * table over a flat buffer, about 53 bytes a frame. Ids are uniform, so four of their bytes are the hash.
 */
export class ChunkIndex {
  readonly #store: ObjectStore;
  readonly #packs: TablePack[] = [];
  readonly #packNumbers = new Map<string, number>();
  /** Segments whose rows are here, or which could not be read. */
  readonly #seen = new Set<string>();
  #rows = Buffer.alloc(1024 * SEGMENT_ROW_BYTES);
  #count = 0;
  #slots = new Int32Array(2048);

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  get frames(): number {
    return this.#count;
  }

  get packs(): readonly TablePack[] {
    return this.#packs;
  }

  /** Takes in the segments that are new since the last time. Those that cannot be read are left to {@link recover}. */
  async load(): Promise<void> {
    const names: string[] = [];
    for await (const { name } of this.#store.list(INDEX_PREFIX)) if (!this.#seen.has(name)) names.push(name);
    await eachAtOnce(names, async (name) => {
      try {
        const table = decodeTable(await this.#store.get(name), SEGMENT_ROW_BYTES, digest);
        this.#addTable(table.packs, table.rows);
      } catch (error) {
        if (!isEverfullError(error, 'damaged', 'object-missing', 'repository-newer')) throw error;
      }
      this.#seen.add(name);
    });
  }

  /** Reads the tables of packs that no segment names: after a crash, or where a segment is lost or damaged. */
  async recover(): Promise<void> {
    await this.load();
    const packs: { name: Uint8Array; bytes: number }[] = [];
    for await (const { name, size } of this.#store.list(PACK_PREFIX)) {
      const hex = name.slice(name.lastIndexOf('/') + 1);
      const id = Buffer.from(hex, 'hex');
      if (id.length === 16 && !this.#packNumbers.has(id.toString('latin1')))
        packs.push({ name: id, bytes: size });
    }
    await eachAtOnce(packs, async (pack) => {
      try {
        this.addPack(pack, await readPackTable(this.#store, pack));
      } catch (error) {
        if (!isEverfullError(error, 'damaged', 'object-missing', 'repository-newer')) throw error;
      }
    });
  }

  #addTable(packs: readonly TablePack[], rows: Buffer): void {
    const numbers = packs.map((pack) => this.#packNumber(pack));
    for (let row = 0; row * SEGMENT_ROW_BYTES < rows.length; row++) {
      const { id, pack, offset, length, kind } = decodeSegmentRow(rows, row);
      if (pack < numbers.length) this.#add(id, numbers[pack], offset, length, kind);
    }
  }

  addPack(pack: TablePack, rows: readonly PackRow[]): void {
    const number = this.#packNumber(pack);
    for (const row of rows) this.#add(row.id, number, row.offset, row.length, row.kind);
  }

  #packNumber(pack: TablePack): number {
    const name = bufferOf(pack.name).toString('latin1');
    let number = this.#packNumbers.get(name);
    if (number === undefined) {
      number = this.#packs.length;
      this.#packs.push({ name: Buffer.from(pack.name), bytes: pack.bytes });
      this.#packNumbers.set(name, number);
    }
    return number;
  }

  #add(id: Uint8Array, pack: number, offset: number, length: number, kind: number): void {
    if (this.#find(id) >= 0) return;
    if ((this.#count + 1) * 2 > this.#slots.length) this.#grow();
    const at = this.#count * SEGMENT_ROW_BYTES;
    if (at === this.#rows.length) this.#rows = Buffer.concat([this.#rows], this.#rows.length * 2);
    this.#rows.set(id, at);
    this.#rows.writeUInt32LE(pack, at + ID_BYTES);
    this.#rows.writeUInt32LE(offset, at + ID_BYTES + 4);
    this.#rows.writeUInt32LE(length, at + ID_BYTES + 8);
    this.#rows[at + ID_BYTES + 12] = kind;
    this.#count++;
    this.#occupy(this.#count - 1);
  }

  #occupy(row: number): void {
    const mask = this.#slots.length - 1;
    let slot = this.#rows.readUInt32LE(row * SEGMENT_ROW_BYTES) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = row + 1;
  }

  #grow(): void {
    this.#slots = new Int32Array(this.#slots.length * 2);
    for (let row = 0; row < this.#count; row++) this.#occupy(row);
  }

  #find(id: Uint8Array): number {
    const wanted = bufferOf(id);
    const mask = this.#slots.length - 1;
    for (let slot = wanted.readUInt32LE(0) & mask; ; slot = (slot + 1) & mask) {
      const row = this.#slots[slot] - 1;
      if (row < 0) return -1;
      const at = row * SEGMENT_ROW_BYTES;
      if (this.#rows.compare(wanted, 0, ID_BYTES, at, at + ID_BYTES) === 0) return row;
    }
  }

  has(id: Uint8Array): boolean {
    return this.#find(id) >= 0;
  }

  find(id: Uint8Array): FramePlace | undefined {
    const row = this.#find(id);
    if (row < 0) return undefined;
    return this.#place(row);
  }

  #place(row: number): FramePlace & { id: Uint8Array } {
    const { id, pack, offset, length, kind } = decodeSegmentRow(this.#rows, row);
    return {
      id,
      pack: this.#packs[pack].name,
      packBytes: this.#packs[pack].bytes,
      offset,
      length,
      kind: kind as FrameKind,
    };
  }

  *all(): Generator<FramePlace & { id: Uint8Array }> {
    for (let row = 0; row < this.#count; row++) yield this.#place(row);
  }
}

/** The segment of one pack, to be published with it. */
export function encodeSegment(pack: TablePack, rows: readonly PackRow[]): Buffer {
  const sorted = rows.toSorted((a, b) => Buffer.compare(a.id, b.id));
  return encodeTable(
    SEGMENT_ROW_BYTES,
    encodeSegmentRows(sorted.map((row) => ({ ...row, pack: 0 }))),
    [pack],
    digest,
  );
}

/** The table of a pack, checked against its digest. Rejects with 'damaged' or 'object-missing'. */
export async function readPackTable(store: ObjectStore, pack: TablePack): Promise<PackRow[]> {
  const name = packName(pack.name);
  const footer = await store.get(name, {
    range: {
      offset: Math.max(0, pack.bytes - PACK_FOOTER_BYTES),
      length: Math.min(pack.bytes, PACK_FOOTER_BYTES),
    },
  });
  const tail = packTailBytes(footer, pack.bytes);
  return decodePackTable(
    await store.get(name, { range: { offset: pack.bytes - tail, length: tail } }),
    pack.bytes,
    digest,
  );
}

/** Runs `work` for every item, several at once; the first failure is thrown once all under way have ended. */
export async function eachAtOnce<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
  atOnce = GETS_AT_ONCE,
): Promise<void> {
  let next = 0;
  const run = async () => {
    try {
      while (next < items.length) await work(items[next++]);
    } catch (error) {
      next = items.length;
      throw error;
    }
  };
  const runs = await Promise.allSettled(Array.from({ length: Math.min(atOnce, items.length) }, run));
  for (const ended of runs) if (ended.status === 'rejected') throw ended.reason;
}

export { segmentName };

import { bufferOf, hexOf, isEverfullError } from '../base/mod.ts';
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
import { listPacks } from './condemned.ts';
import { type DamagedFrames, readDamaged } from './damaged.ts';
import { INDEX_PREFIX, packName, segmentName } from './names.ts';
import type { KnownFrames } from './session-host.ts';

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
 * A frame that lies in several packs has a row for each.
 */
export class ChunkIndex {
  readonly #store: ObjectStore;
  readonly #packs: TablePack[] = [];
  readonly #packNumbers = new Map<string, number>();
  /** Packs, by number, that the last listing did not have. */
  readonly #gone = new Set<number>();
  /** What was recorded by the last {@link load}. */
  #damaged: DamagedFrames | undefined;
  /** Packs, by number, that a segment names: a pack is durable before its segment is begun. */
  readonly #named = new Set<number>();
  /** Packs that no segment named, with their own tables. */
  readonly unnamed: { readonly pack: TablePack; readonly rows: readonly PackRow[] }[] = [];
  /** Segments whose rows are here, or which could not be read. */
  readonly #seen = new Set<string>();
  #rows = Buffer.alloc(1024 * SEGMENT_ROW_BYTES);
  #count = 0;
  #slots = new Int32Array(2048);

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** How many rows there are. */
  get frames(): number {
    return this.#count;
  }

  get packs(): readonly TablePack[] {
    return this.#packs;
  }

  /**
   * Takes in the segments that are new since the last time, and what damage is recorded. Segments that cannot
   * be read are left to {@link recover}.
   */
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
    // One that cannot be read is the business of writers: a reader tries a frame wherever it lies.
    this.#damaged = await readDamaged(this.#store, () => {});
  }

  /**
   * Takes in what the store has now: which packs there are, new segments, and the tables of packs that no
   * segment names (after a crash, or where a segment is lost or damaged).
   */
  async recover(): Promise<void> {
    // Before a pack goes, the segments of what was copied out of it are there: so they are read after it is missed.
    const known = this.#packs.length;
    const there = await listPacks(this.#store);
    await this.load();
    const unnamed = [...there.values()].filter(({ name }) => !this.#packNumbers.has(latin1(name)));
    await eachAtOnce(unnamed, async (pack) => {
      try {
        const rows = await readPackTable(this.#store, pack);
        this.#addRows(pack, rows);
        this.unnamed.push({ pack, rows });
      } catch (error) {
        if (!isEverfullError(error, 'damaged', 'object-missing', 'repository-newer')) throw error;
      }
    });
    // Those that became known since were put after the listing.
    for (let number = 0; number < known; number++) {
      if (there.has(hexOf(this.#packs[number].name))) this.#gone.delete(number);
      else this.#gone.add(number);
    }
  }

  #addTable(packs: readonly TablePack[], rows: Buffer): void {
    const numbers = packs.map((pack) => this.#packNumber(pack));
    for (const number of numbers) this.#named.add(number);
    for (let row = 0; row * SEGMENT_ROW_BYTES < rows.length; row++) {
      const { id, pack, offset, length, kind } = decodeSegmentRow(rows, row);
      if (pack < numbers.length) this.#add(id, numbers[pack], offset, length, kind);
    }
  }

  /** Takes in a pack that is durable, and its segment too. */
  addPack(pack: TablePack, rows: readonly PackRow[]): void {
    this.#named.add(this.#addRows(pack, rows));
  }

  /** The number of the pack. */
  #addRows(pack: TablePack, rows: readonly PackRow[]): number {
    const number = this.#packNumber(pack);
    this.#gone.delete(number);
    for (const row of rows) this.#add(row.id, number, row.offset, row.length, row.kind);
    return number;
  }

  #packNumber(pack: TablePack): number {
    const name = latin1(pack.name);
    let number = this.#packNumbers.get(name);
    if (number === undefined) {
      number = this.#packs.length;
      this.#packs.push({ name: Buffer.from(pack.name), bytes: pack.bytes });
      this.#packNumbers.set(name, number);
    }
    return number;
  }

  #add(id: Uint8Array, pack: number, offset: number, length: number, kind: number): void {
    for (let row = this.firstRow(id); row >= 0; row = this.nextRow(row))
      if (this.packOf(row) === pack) return;
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

  /** The first row of a frame, the same as long as the index lives; -1 where there is none. */
  firstRow(id: Uint8Array): number {
    const wanted = bufferOf(id);
    return this.#search(wanted, 0, wanted.readUInt32LE(0) & (this.#slots.length - 1));
  }

  /** The next row of the same frame; -1 after the last. */
  nextRow(row: number): number {
    const mask = this.#slots.length - 1;
    const at = row * SEGMENT_ROW_BYTES;
    let slot = this.#rows.readUInt32LE(at) & mask;
    while (this.#slots[slot] !== row + 1) slot = (slot + 1) & mask;
    return this.#search(this.#rows, at, (slot + 1) & mask);
  }

  /** From `slot` on, the row whose id are the bytes at `at` of `bytes`. */
  #search(bytes: Buffer, from: number, slot: number): number {
    const mask = this.#slots.length - 1;
    for (let i = slot; ; i = (i + 1) & mask) {
      const row = this.#slots[i] - 1;
      if (row < 0) return -1;
      const at = row * SEGMENT_ROW_BYTES;
      if (this.#rows.compare(bytes, from, from + ID_BYTES, at, at + ID_BYTES) === 0) return row;
    }
  }

  /** The number of a row's pack, in {@link packs}. */
  packOf(row: number): number {
    return this.#rows.readUInt32LE(row * SEGMENT_ROW_BYTES + ID_BYTES);
  }

  lengthOf(row: number): number {
    return this.#rows.readUInt32LE(row * SEGMENT_ROW_BYTES + ID_BYTES + 8);
  }

  kindOf(row: number): FrameKind {
    return this.#rows[row * SEGMENT_ROW_BYTES + ID_BYTES + 12] as FrameKind;
  }

  /** Whether the pack of a row was there at the last listing, or came after it. */
  isThere(row: number): boolean {
    return !this.#gone.has(this.packOf(row));
  }

  place(row: number): FramePlace & { readonly id: Uint8Array } {
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

  /** Whether any pack that is there has the frame. */
  has(id: Uint8Array): boolean {
    return this.find(id) !== undefined;
  }

  /** Where a frame lies: the first of {@link places}. */
  find(id: Uint8Array): FramePlace | undefined {
    let last: FramePlace | undefined;
    for (let row = this.firstRow(id); row >= 0; row = this.nextRow(row)) {
      if (!this.isThere(row)) continue;
      const place = this.place(row);
      if (!this.#isDamaged(id, place)) return place;
      last ??= place;
    }
    return last;
  }

  /** Where a frame lies, or where it lay before its pack was gone. */
  findFormer(id: Uint8Array): FramePlace | undefined {
    const row = this.firstRow(id);
    return this.find(id) ?? (row < 0 ? undefined : this.place(row));
  }

  /** Everywhere that a frame lies; last where it is known to be damaged. */
  places(id: Uint8Array): FramePlace[] {
    const places: FramePlace[] = [];
    for (let row = this.firstRow(id); row >= 0; row = this.nextRow(row))
      if (this.isThere(row)) places.push(this.place(row));
    if (places.length < 2) return places;
    return [
      ...places.filter((place) => !this.#isDamaged(id, place)),
      ...places.filter((place) => this.#isDamaged(id, place)),
    ];
  }

  #isDamaged(id: Uint8Array, { pack }: FramePlace): boolean {
    return this.#damaged !== undefined && this.#damaged.size > 0 && this.#damaged.has(id, pack);
  }

  *all(): Generator<FramePlace & { id: Uint8Array }> {
    for (let row = 0; row < this.#count; row++) if (this.isThere(row)) yield this.place(row);
  }

  /**
   * What a writer may build on: frames of packs that a segment names, so that no power cut takes them, that its
   * listing gave and nobody condemned, at places
   * where they are not damaged, and those that it adds itself. Adds go to `added`.
   */
  reusable(
    there: ReadonlyMap<string, unknown>,
    condemned: ReadonlySet<string>,
    damaged: DamagedFrames,
    added: ChunkIndex = this,
  ): KnownFrames {
    const isGood = this.#packs.map(
      ({ name }, number) => this.#named.has(number) && there.has(hexOf(name)) && !condemned.has(hexOf(name)),
    );
    return {
      has: (id) => {
        for (let row = this.firstRow(id); row >= 0; row = this.nextRow(row)) {
          const pack = this.packOf(row);
          if (isGood[pack] && (damaged.size === 0 || !damaged.has(id, this.#packs[pack].name))) return true;
        }
        return added !== this && added.has(id);
      },
      addPack: (pack, rows) => {
        added.addPack(pack, rows);
        if (added === this) isGood[this.#packNumber(pack)] = true;
      },
    };
  }
}

function latin1(bytes: Uint8Array): string {
  return bufferOf(bytes).toString('latin1');
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

import { bufferOf, equalBytes } from '../base/mod.ts';
import { ID_BYTES } from '../format/mod.ts';

/** A chunk that may not be sealed yet: then it has no id. */
export interface ChunkRef {
  id: Uint8Array | undefined;
}

/** Where the bytes of a small file are. */
export interface KnownPlace {
  readonly chunk: ChunkRef;
  readonly offset: number;
  readonly length: number;
}

const ROW_BYTES = ID_BYTES + 12;

function sameChunk(a: ChunkRef, b: ChunkRef | undefined): boolean {
  return a === b || (a.id !== undefined && b?.id !== undefined && equalBytes(a.id, b.id));
}

/**
 * The small files whose bytes the repository has, by fingerprint: those of the image before and those
 * of this run. An open-addressing hash table over a flat buffer, about 55 bytes a file; at the limit
 * no more files are taken in, which costs space in the repository and nothing else.
 */
export class KnownFiles {
  readonly #filesMax: number;
  readonly #chunks: ChunkRef[] = [];
  #lastChunk: ChunkRef | undefined;
  #rows = Buffer.alloc(1024 * ROW_BYTES);
  #slots = new Int32Array(2048);
  #count = 0;

  constructor(filesMax: number) {
    this.#filesMax = filesMax;
  }

  get count(): number {
    return this.#count;
  }

  /** The first to come is kept: duplicates resolve in key order. */
  add(fingerprint: Uint8Array, place: KnownPlace): void {
    if (this.#find(fingerprint) < 0) this.set(fingerprint, place);
  }

  /** Takes the place of what was known of the file. */
  set(fingerprint: Uint8Array, place: KnownPlace): void {
    const known = this.#find(fingerprint);
    if (known < 0 && this.#count >= this.#filesMax) return;
    if (!sameChunk(place.chunk, this.#lastChunk)) {
      this.#lastChunk = place.chunk;
      this.#chunks.push(place.chunk);
    }
    if (known < 0) this.#append(fingerprint);
    const at = (known < 0 ? this.#count - 1 : known) * ROW_BYTES + ID_BYTES;
    this.#rows.writeUInt32LE(this.#chunks.length - 1, at);
    this.#rows.writeUInt32LE(place.offset, at + 4);
    this.#rows.writeUInt32LE(place.length, at + 8);
  }

  #append(fingerprint: Uint8Array): void {
    if ((this.#count + 1) * 2 > this.#slots.length) {
      this.#slots = new Int32Array(this.#slots.length * 2);
      for (let row = 0; row < this.#count; row++) this.#occupy(row);
    }
    const at = this.#count * ROW_BYTES;
    if (at === this.#rows.length) this.#rows = Buffer.concat([this.#rows], this.#rows.length * 2);
    this.#rows.set(fingerprint, at);
    this.#occupy(this.#count++);
  }

  #occupy(row: number): void {
    const mask = this.#slots.length - 1;
    let slot = this.#rows.readUInt32LE(row * ROW_BYTES) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = row + 1;
  }

  #find(fingerprint: Uint8Array): number {
    const wanted = bufferOf(fingerprint);
    const mask = this.#slots.length - 1;
    for (let slot = wanted.readUInt32LE(0) & mask; ; slot = (slot + 1) & mask) {
      const row = this.#slots[slot] - 1;
      if (row < 0) return -1;
      const at = row * ROW_BYTES;
      if (this.#rows.compare(wanted, 0, ID_BYTES, at, at + ID_BYTES) === 0) return row;
    }
  }

  find(fingerprint: Uint8Array): KnownPlace | undefined {
    const row = this.#find(fingerprint);
    if (row < 0) return undefined;
    const at = row * ROW_BYTES + ID_BYTES;
    return {
      chunk: this.#chunks[this.#rows.readUInt32LE(at)],
      offset: this.#rows.readUInt32LE(at + 4),
      length: this.#rows.readUInt32LE(at + 8),
    };
  }
}

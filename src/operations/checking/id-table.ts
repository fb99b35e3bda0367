import { bufferOf } from '../../base/mod.ts';

const ID_BYTES = 32;
const ROW_BYTES = ID_BYTES + 4;

/** A number of 32 bits for each of many ids, in flat memory: about 60 bytes an id. Ids are uniform, so four of their bytes are the hash. */
export class IdTable {
  #rows = Buffer.alloc(1024 * ROW_BYTES);
  #slots = new Int32Array(2048);
  #count = 0;

  get size(): number {
    return this.#count;
  }

  /** The row of `id`, or the slot where it would go as −1 − slot. */
  #find(id: Uint8Array): number {
    const wanted = bufferOf(id);
    const mask = this.#slots.length - 1;
    for (let slot = wanted.readUInt32LE(0) & mask; ; slot = (slot + 1) & mask) {
      const row = this.#slots[slot]! - 1;
      if (row < 0) return -1 - slot;
      if (this.#rows.compare(wanted, 0, ID_BYTES, row * ROW_BYTES, row * ROW_BYTES + ID_BYTES) === 0)
        return row;
    }
  }

  get(id: Uint8Array): number | undefined {
    const row = this.#find(id);
    return row < 0 ? undefined : this.#rows.readUInt32LE(row * ROW_BYTES + ID_BYTES);
  }

  /** @param value from 0 to 2^32 − 1 */
  set(id: Uint8Array, value: number): void {
    let row = this.#find(id);
    if (row < 0) {
      if (this.#count * ROW_BYTES === this.#rows.length)
        this.#rows = Buffer.concat([this.#rows], this.#rows.length * 2);
      this.#slots[-1 - row] = this.#count + 1;
      row = this.#count++;
      this.#rows.set(id, row * ROW_BYTES);
      if (this.#count * 2 > this.#slots.length) this.#grow();
    }
    this.#rows.writeUInt32LE(value, row * ROW_BYTES + ID_BYTES);
  }

  #grow(): void {
    this.#slots = new Int32Array(this.#slots.length * 2);
    const mask = this.#slots.length - 1;
    for (let row = 0; row < this.#count; row++) {
      let slot = this.#rows.readUInt32LE(row * ROW_BYTES) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = row + 1;
    }
  }
}

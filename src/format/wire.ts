import { type ByteString, bufferOf, EverfullError } from '../base/mod.ts';

/** Largest integer that a varint may hold: what a JavaScript number holds exactly. */
export const VARINT_MAX = Number.MAX_SAFE_INTEGER;

const TWO_32 = 2 ** 32;

/**
 * Appends little-endian fields to a buffer that grows.
 *
 * `varint` is LEB128 (DWARF 5 §7.6) up to 2^53 − 1, in its shortest form; `signed` is its zigzag form.
 */
export class ByteWriter {
  #buffer: Buffer;
  length = 0;

  constructor(capacity = 256) {
    this.#buffer = Buffer.allocUnsafe(capacity);
  }

  #room(bytes: number): void {
    if (this.length + bytes <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.length + bytes));
    this.#buffer.copy(grown, 0, 0, this.length);
    this.#buffer = grown;
  }

  reset(): this {
    this.length = 0;
    return this;
  }

  u8(value: number): this {
    this.#room(1);
    this.#buffer[this.length++] = value;
    return this;
  }

  u16(value: number): this {
    this.#room(2);
    this.length = this.#buffer.writeUInt16LE(value, this.length);
    return this;
  }

  u32(value: number): this {
    this.#room(4);
    this.length = this.#buffer.writeUInt32LE(value, this.length);
    return this;
  }

  /** A whole number from 0 to 2^53 − 1 in eight bytes. */
  u64(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`u64 cannot hold ${value}`);
    return this.u32(value % TWO_32).u32(Math.floor(value / TWO_32));
  }

  varint(value: number): this {
    if (!(value >= 0 && value <= VARINT_MAX)) throw new RangeError(`varint cannot hold ${value}`);
    this.#room(8);
    const buffer = this.#buffer;
    let rest = value;
    let at = this.length;
    while (rest >= 0x80) {
      buffer[at++] = (rest % 128) | 0x80;
      rest = rest < TWO_32 ? rest >>> 7 : Math.floor(rest / 128);
    }
    buffer[at++] = rest;
    this.length = at;
    return this;
  }

  /** A whole number from −2^52 to 2^52 − 1. */
  signed(value: number): this {
    return this.varint(value >= 0 ? value * 2 : -value * 2 - 1);
  }

  bytes(value: Uint8Array): this {
    this.#room(value.length);
    this.#buffer.set(value, this.length);
    this.length += value.length;
    return this;
  }

  byteString(value: ByteString): this {
    this.#room(value.length);
    this.length += this.#buffer.write(value, this.length, value.length, 'latin1');
    return this;
  }

  /** A varint length, then the bytes. */
  block(value: Uint8Array): this {
    return this.varint(value.length).bytes(value);
  }

  /** A varint length, then the bytes of the string. */
  text(value: ByteString): this {
    return this.varint(value.length).byteString(value);
  }

  /** A copy of what was written. */
  finish(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.length));
  }

  /** What was written, valid until the next write. */
  view(): Buffer {
    return this.#buffer.subarray(0, this.length);
  }
}

/** Reads what {@link ByteWriter} wrote. Trusts nothing: whatever does not fit is 'damaged'. */
export class ByteReader {
  readonly #buffer: Buffer;
  readonly #what: string;
  at: number;
  readonly end: number;

  /** @param what the thing being read, for messages: "pack table" */
  constructor(bytes: Uint8Array, what: string, start = 0, end = bytes.length) {
    this.#buffer = bufferOf(bytes);
    this.#what = what;
    this.at = start;
    this.end = end;
  }

  damaged(why: string): EverfullError {
    return new EverfullError('damaged', `Could not read ${this.#what}: ${why}`, { context: { at: this.at } });
  }

  get left(): number {
    return this.end - this.at;
  }

  #take(bytes: number): number {
    const at = this.at;
    if (bytes > this.end - at) throw this.damaged(`it ends ${bytes - (this.end - at)} bytes too early`);
    this.at = at + bytes;
    return at;
  }

  u8(): number {
    return this.#buffer[this.#take(1)]!;
  }

  u16(): number {
    return this.#buffer.readUInt16LE(this.#take(2));
  }

  u32(): number {
    return this.#buffer.readUInt32LE(this.#take(4));
  }

  u64(): number {
    const low = this.u32();
    const high = this.u32();
    if (high >= 2 ** 21) throw this.damaged('a number is above 2^53');
    return high * TWO_32 + low;
  }

  varint(max = VARINT_MAX): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; ; i++) {
      const byte = this.#buffer[this.#take(1)]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (byte === 0 && i > 0) throw this.damaged('a number is not in its shortest form');
        break;
      }
      scale *= 128;
      if (i === 7) throw this.damaged('a number is above 2^53');
    }
    if (value > max) throw this.damaged(`${value} is above the limit of ${max}`);
    return value;
  }

  signed(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** A view into the same memory. */
  bytes(length: number): Buffer {
    const at = this.#take(length);
    return this.#buffer.subarray(at, at + length);
  }

  byteString(length: number): ByteString {
    const at = this.#take(length);
    return this.#buffer.toString('latin1', at, at + length);
  }

  block(max: number): Buffer {
    return this.bytes(this.varint(max));
  }

  text(max: number): ByteString {
    return this.byteString(this.varint(max));
  }

  /** Throws unless everything was read. */
  done(): void {
    if (this.left !== 0) throw this.damaged(`${this.left} bytes are left over`);
  }
}

import type { ByteString } from '../base/mod.ts';
import { checked, libc } from './libc.ts';
import { allocateNative, type NativeMemory } from './memory.ts';

const BUFFER_BYTES = 256 * 1024;
/** Asked for at least this much at a time, so that large folders take few calls. */
const ROOM_BYTES_MIN = 64 * 1024;

// struct linux_dirent64: inode u64, offset s64, record length u16, type u8, name with its NUL.
const RECORD_LENGTH_OFFSET = 16;
const TYPE_OFFSET = 18;
const NAME_OFFSET = 19;
const DOT = 0x2e;

/** Most folders are small, and sorting them by insertion takes half the time of `sort`. */
const INSERTION_SORT_MAX = 32;

/** Reads folders, one after the other, into the same memory. */
export class DirectoryReader {
  #memory: NativeMemory = allocateNative(BUFFER_BYTES);
  #turn: Turn = { over: false };

  /**
   * The entries that the descriptor `fd` of a folder, just opened, has to give. What is created or
   * removed meanwhile may be there or not. Throws `SystemError`.
   *
   * Takes memory of about 30 bytes an entry plus the names; what a huge folder took is given back by
   * the next read.
   */
  read(fd: number): DirectoryListing {
    this.#turn.over = true;
    this.#turn = { over: false };
    if (this.#memory.buffer.length > BUFFER_BYTES) this.#memory = allocateNative(BUFFER_BYTES);
    const end = this.#fill(fd);
    return listingOf(this.#memory, end, this.#turn);
  }

  /** Fills the memory with records and returns where they end. */
  #fill(fd: number): number {
    let end = 0;
    for (;;) {
      const room = this.#memory.buffer.length - end;
      if (room < ROOM_BYTES_MIN) {
        this.#grow(end);
        continue;
      }
      const length = checked(libc.getdents(fd, this.#memory.address + end, room), 'getdents64');
      if (length === 0) return end;
      end += length;
    }
  }

  #grow(end: number): void {
    const memory = allocateNative(this.#memory.buffer.length * 2);
    this.#memory.buffer.copy(memory.buffer, 0, 0, end);
    this.#memory = memory;
  }
}

/** The entries of a folder in byte order of their names, without `.` and `..`. */
export class DirectoryListing {
  readonly names: readonly ByteString[];
  /** `DT_*` of each entry; 0 where the file system does not tell. */
  readonly types: Uint8Array;
  readonly #location: Location;

  constructor(names: readonly ByteString[], types: Uint8Array, location: Location) {
    this.names = names;
    this.types = types;
    this.#location = location;
  }

  /**
   * Where the name of entry `index` lies as a C string, for `StatBuffer.atAddress`: valid until the
   * reader's next `read`, while names and types stay. Asked for later, throws.
   */
  address(index: number): number {
    if (this.#location.turn.over) throw new Error('The reader has read another folder since.');
    return this.#location.addresses[index];
  }
}

/** The time between two reads of one reader. */
interface Turn {
  over: boolean;
}

interface Location {
  readonly addresses: Float64Array;
  /** Held so that the addresses stay valid. */
  readonly memory: NativeMemory;
  readonly turn: Turn;
}

function listingOf(memory: NativeMemory, end: number, turn: Turn): DirectoryListing {
  const { buffer, address } = memory;
  const names: ByteString[] = [];
  const offsets: number[] = [];
  let sorted = true;
  let previous = '';
  for (let record = 0; record < end; record += recordLength(buffer, record)) {
    const start = record + NAME_OFFSET;
    if (isSelfOrParent(buffer, start)) continue;
    let nul = start;
    while (buffer[nul] !== 0) nul++;
    const name = buffer.toString('latin1', start, nul);
    names.push(name);
    offsets.push(start);
    if (name < previous) sorted = false;
    previous = name;
  }

  const count = names.length;
  const order = sorted ? undefined : orderOf(names);
  const sortedNames = order === undefined ? names : new Array<ByteString>(count);
  const types = new Uint8Array(count);
  const addresses = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const index = order === undefined ? i : order[i];
    const start = offsets[index];
    sortedNames[i] = names[index];
    types[i] = buffer[start - NAME_OFFSET + TYPE_OFFSET];
    addresses[i] = address + start;
  }
  return new DirectoryListing(sortedNames, types, { addresses, memory, turn });
}

function recordLength(buffer: Buffer, record: number): number {
  return buffer[record + RECORD_LENGTH_OFFSET] | (buffer[record + RECORD_LENGTH_OFFSET + 1] << 8);
}

function isSelfOrParent(buffer: Buffer, start: number): boolean {
  if (buffer[start] !== DOT) return false;
  return buffer[start + 1] === 0 || (buffer[start + 1] === DOT && buffer[start + 2] === 0);
}

/** Indices of `names` in byte order of the names; names in a folder differ, so nothing is equal. */
function orderOf(names: readonly ByteString[]): Uint32Array {
  const order = new Uint32Array(names.length);
  for (let i = 0; i < order.length; i++) order[i] = i;
  if (names.length > INSERTION_SORT_MAX) return order.sort((a, b) => (names[a] < names[b] ? -1 : 1));
  for (let i = 1; i < order.length; i++) {
    const name = names[i];
    let place = i;
    for (; place > 0 && names[order[place - 1]] > name; place--) order[place] = order[place - 1];
    order[place] = i;
  }
  return order;
}

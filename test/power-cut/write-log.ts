import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { Dice } from '../../simulation/dice.ts';

/** A moment at which the power fails, and what becomes of the writes that were not flushed. */
export interface Cut {
  /** So many entries of the log had been handed to the disk. */
  readonly position: number;
  /** The probability with which a write since the last flush is lost. */
  readonly lost: number;
  /** What is lost follows from it. */
  readonly seed: number;
}

/** The probability with which a write that was not flushed, and is not lost, reaches the disk in part. */
const TORN = 0.1;

const FLUSH = 1;
const FORCED = 2;
const DISCARD = 4;

const HEADER_BYTES = 32;

interface Entry {
  readonly sector: number;
  readonly sectors: number;
  readonly flags: number;
  /** Where its data stands in the log. */
  readonly dataAt: number;
}

/** How many entries the log has so far. */
export function entriesIn(log: string): number {
  return withFile(log, 'r', (file) => Number(read(file, 16, 8).readBigUInt64LE()));
}

/**
 * The writes and flushes of a disk, in their order: a log of qemu's `blklogwrites`, whose format is that of
 * Linux's dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst, drivers/md/dm-log-writes.c):
 * a sector with magic, version, count of entries (u64 each) and bytes of a sector (u32); then for each entry
 * a sector with its first sector, its sectors, flags and length (u64 each), followed by the data unless the
 * entry discards. All numbers are little-endian.
 */
export class WriteLog {
  readonly #path: string;
  readonly #diskBytes: number;
  readonly #sectorBytes: number;
  readonly #entries: Entry[] = [];

  constructor(path: string, diskBytes: number) {
    this.#path = path;
    this.#diskBytes = diskBytes;
    const count = entriesIn(path);
    this.#sectorBytes = withFile(path, 'r', (file) => {
      const sectorBytes = read(file, 24, 4).readUInt32LE();
      for (let at = sectorBytes; this.#entries.length < count; ) {
        const header = read(file, at, HEADER_BYTES);
        const [sector, sectors, flags] = [0, 8, 16].map((offset) => Number(header.readBigUInt64LE(offset)));
        at += sectorBytes;
        this.#entries.push({ sector: sector!, sectors: sectors!, flags: flags!, dataAt: at });
        if ((flags! & DISCARD) === 0) at += sectors! * sectorBytes;
      }
      return sectorBytes;
    });
  }

  get length(): number {
    return this.#entries.length;
  }

  /** Makes the file `image` what the disk may be after `cut`: all that was flushed, and of the rest what chance left. */
  writeStateAfter({ position, lost, seed }: Cut, image: string): void {
    const dice = new Dice(seed);
    const entries = this.#entries.slice(0, position);
    const flushed = entries.findLastIndex(({ flags }) => (flags & FLUSH) !== 0);
    withFile(this.#path, 'r', (log) =>
      withFile(image, 'w', (disk) => {
        ftruncateSync(disk, this.#diskBytes);
        for (const [i, entry] of entries.entries()) {
          const isDurable = i <= flushed || (entry.flags & FORCED) !== 0;
          if (!isDurable && dice.chance(lost)) continue;
          const isTorn = !isDurable && entry.sectors > 0 && dice.chance(TORN);
          this.#apply(entry, isTorn ? dice.below(entry.sectors) : entry.sectors, log, disk);
        }
      }),
    );
  }

  #apply({ sector, flags, dataAt }: Entry, sectors: number, log: number, disk: number): void {
    const bytes = sectors * this.#sectorBytes;
    const data = (flags & DISCARD) === 0 ? read(log, dataAt, bytes) : Buffer.alloc(bytes);
    if (bytes > 0) writeSync(disk, data, 0, bytes, sector * this.#sectorBytes);
  }
}

function read(file: number, at: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  const count = readSync(file, bytes, 0, length, at);
  if (count !== length) throw new Error(`the log of writes ends at ${at + count}, not after ${at + length}`);
  return bytes;
}

function withFile<T>(path: string, flags: 'r' | 'w', use: (file: number) => T): T {
  const file = openSync(path, flags);
  try {
    return use(file);
  } finally {
    closeSync(file);
  }
}

import { isUtf8 } from 'node:buffer';
import { Readable } from 'node:stream';
import { crc32, createDeflateRaw } from 'node:zlib';
import { bytesOf } from '../../base/mod.ts';
import { type Entry, EntryType } from '../../format/mod.ts';
import type { Member } from './member.ts';

/** .ZIP File Format Specification (APPNOTE) 6.3.10; extra fields of Info-ZIP: proginfo/extrafld.txt. */
const LOCAL = 0x04034b50;
const DESCRIPTOR = 0x08074b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END_64 = 0x06064b50;
const END_64_LOCATOR = 0x07064b50;
const EXTRA_64 = 0x0001;
const EXTRA_TIME = 0x5455;
const EXTRA_UNIX = 0x7875;
const STORED = 0;
const DEFLATED = 8;
const FLAG_DESCRIPTOR = 1 << 3;
const FLAG_UTF8 = 1 << 11;
const VERSION = 20;
const VERSION_64 = 45;
const MADE_BY_UNIX = 3 << 8;
const U16_MAX = 0xffff;
const U32_MAX = 0xffffffff;
/** What does not shrink grows a little: from here on, sizes have eight bytes. */
const LONG_FROM_BYTES = 0xf0000000;

const FILE_TYPES: Readonly<Record<number, number>> = {
  [EntryType.file]: 0o100000,
  [EntryType.folder]: 0o040000,
  [EntryType.symlink]: 0o120000,
};
const FOLDER_ATTRIBUTE = 0x10;

/**
 * A zip archive in one pass: sizes follow the bytes. Hard links become files of their own; what zip
 * cannot hold (devices, FIFOs, sockets) is given to `onLeftOut`. Memory: about 100 bytes and the name
 * of each member, for the directory at the end.
 */
export async function* zipArchive(
  members: AsyncIterable<Member>,
  onLeftOut: (member: Member) => void,
): AsyncGenerator<Uint8Array> {
  const directory: Buffer[] = [];
  let at = 0;
  for await (const member of members) {
    const { entry } = member;
    if (FILE_TYPES[entry.type] === undefined) {
      onLeftOut(member);
      continue;
    }
    // The folder that the archive is of has no name in it.
    if (member.name === '') continue;
    const place = at;
    const isFile = entry.type === EntryType.file;
    const target = bytesOf(entry.target ?? '');
    const shape: Shape = {
      name: bytesOf(entry.type === EntryType.folder ? `${member.name}/` : member.name),
      isLong: isFile && member.size >= LONG_FROM_BYTES,
      method: isFile ? DEFLATED : STORED,
      entry,
    };
    // A symbolic link's bytes are its target, known in advance.
    const sums: Sums = { crc: crc32(target), size: target.length, stored: target.length };
    const header = localHeader(shape, isFile ? undefined : sums);
    yield header;
    at += header.length;
    if (isFile) {
      sums.crc = 0;
      for await (const block of deflated(member.blocks, sums)) {
        sums.stored += block.length;
        yield block;
      }
      const descriptor = descriptorOf(shape, sums);
      yield descriptor;
      at += sums.stored + descriptor.length;
    } else if (target.length > 0) {
      yield target;
      at += target.length;
    }
    directory.push(centralHeader(shape, sums, place));
  }
  let directoryBytes = 0;
  for (const header of directory) {
    directoryBytes += header.length;
    yield header;
  }
  yield endOf(directory.length, directoryBytes, at);
}

interface Shape {
  readonly name: Buffer;
  readonly isLong: boolean;
  readonly method: number;
  readonly entry: Entry;
}

interface Sums {
  crc: number;
  size: number;
  stored: number;
}

async function* deflated(blocks: Member['blocks'], sums: Sums): AsyncGenerator<Uint8Array> {
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const block of blocks) {
      sums.crc = crc32(block, sums.crc);
      sums.size += block.length;
      yield block;
    }
  }
  const source = Readable.from(counted(), { objectMode: false });
  const deflate = createDeflateRaw();
  source.on('error', (error) => deflate.destroy(error));
  yield* source.pipe(deflate) as AsyncIterable<Uint8Array>;
}

/** Fields one after another: [value, bytes]. */
function packed(...fields: readonly (readonly [value: number, bytes: 2 | 4 | 8])[]): Buffer {
  const buffer = Buffer.alloc(fields.reduce((sum, [, bytes]) => sum + bytes, 0));
  let at = 0;
  for (const [value, bytes] of fields) {
    if (bytes === 8) buffer.writeBigUInt64LE(BigInt(value), at);
    else buffer.writeUIntLE(value, at, bytes);
    at += bytes;
  }
  return buffer;
}

function flagsOf({ name, method }: Shape): number {
  return (method === DEFLATED ? FLAG_DESCRIPTOR : 0) | (isUtf8(name) ? FLAG_UTF8 : 0);
}

function localHeader(shape: Shape, sums: Sums | undefined): Buffer {
  const { name, isLong, method, entry } = shape;
  // With sizes of eight bytes to follow, these are there as zeros.
  const extra = Buffer.concat([
    isLong ? packed([EXTRA_64, 2], [16, 2], [0, 8], [0, 8]) : Buffer.alloc(0),
    extraOf(entry),
  ]);
  const short = isLong ? U32_MAX : (sums?.size ?? 0);
  const [time, date] = dosTime(entry.mtimeSeconds);
  const head = packed(
    [LOCAL, 4],
    [isLong ? VERSION_64 : VERSION, 2],
    [flagsOf(shape), 2],
    [method, 2],
    [time, 2],
    [date, 2],
    [sums?.crc ?? 0, 4],
    [short, 4],
    [short, 4],
    [name.length, 2],
    [extra.length, 2],
  );
  return Buffer.concat([head, name, extra]);
}

function descriptorOf({ isLong }: Shape, { crc, size, stored }: Sums): Buffer {
  const bytes = isLong ? 8 : 4;
  return packed([DESCRIPTOR, 4], [crc, 4], [stored, bytes], [size, bytes]);
}

function centralHeader(shape: Shape, { crc, size, stored }: Sums, place: number): Buffer {
  const { name, method, entry } = shape;
  const isLong = shape.isLong || place >= U32_MAX;
  const long = isLong ? packed([EXTRA_64, 2], [24, 2], [size, 8], [stored, 8], [place, 8]) : Buffer.alloc(0);
  const extra = Buffer.concat([long, extraOf(entry)]);
  const [time, date] = dosTime(entry.mtimeSeconds);
  const mode = FILE_TYPES[entry.type]! | entry.mode;
  const attributes = mode * 0x10000 + (entry.type === EntryType.folder ? FOLDER_ATTRIBUTE : 0);
  const head = packed(
    [CENTRAL, 4],
    [MADE_BY_UNIX | VERSION_64, 2],
    [isLong ? VERSION_64 : VERSION, 2],
    [flagsOf(shape), 2],
    [method, 2],
    [time, 2],
    [date, 2],
    [crc, 4],
    [isLong ? U32_MAX : stored, 4],
    [isLong ? U32_MAX : size, 4],
    [name.length, 2],
    [extra.length, 2],
    [0, 2],
    [0, 2],
    [0, 2],
    [attributes, 4],
    [isLong ? U32_MAX : place, 4],
  );
  return Buffer.concat([head, name, extra]);
}

function endOf(count: number, bytes: number, place: number): Buffer {
  const end = packed(
    [END, 4],
    [0, 2],
    [0, 2],
    [Math.min(count, U16_MAX), 2],
    [Math.min(count, U16_MAX), 2],
    [Math.min(bytes, U32_MAX), 4],
    [Math.min(place, U32_MAX), 4],
    [0, 2],
  );
  if (count < U16_MAX && bytes < U32_MAX && place < U32_MAX) return end;
  const long = packed(
    [END_64, 4],
    [44, 8],
    [MADE_BY_UNIX | VERSION_64, 2],
    [VERSION_64, 2],
    [0, 4],
    [0, 4],
    [count, 8],
    [count, 8],
    [bytes, 8],
    [place, 8],
  );
  return Buffer.concat([long, packed([END_64_LOCATOR, 4], [0, 4], [place + bytes, 8], [1, 4]), end]);
}

/** The time in seconds of UTC, and the owner. */
function extraOf({ mtimeSeconds, uid, gid }: Entry): Buffer {
  const fits = mtimeSeconds >= -(2 ** 31) && mtimeSeconds < 2 ** 31;
  const time = fits
    ? Buffer.concat([packed([EXTRA_TIME, 2], [5, 2]), Buffer.of(1), packed([mtimeSeconds >>> 0, 4])])
    : Buffer.alloc(0);
  const owner = Buffer.concat([
    packed([EXTRA_UNIX, 2], [11, 2]),
    Buffer.of(1, 4),
    packed([uid, 4]),
    Buffer.of(4),
    packed([gid, 4]),
  ]);
  return Buffer.concat([time, owner]);
}

/** MS-DOS time and date, in UTC: the nearest that it can say, from 1980 to 2107. */
function dosTime(seconds: number): [time: number, date: number] {
  const date = new Date(
    Math.min(Math.max(seconds, Date.UTC(1980) / 1000), Date.UTC(2107, 11, 31) / 1000) * 1000,
  );
  return [
    (date.getUTCHours() << 11) | (date.getUTCMinutes() << 5) | (date.getUTCSeconds() >> 1),
    ((date.getUTCFullYear() - 1980) << 9) | ((date.getUTCMonth() + 1) << 5) | date.getUTCDate(),
  ];
}

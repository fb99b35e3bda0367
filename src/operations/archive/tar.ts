import { isUtf8 } from 'node:buffer';
import { type ByteString, bytesOf, displayText } from '../../base/mod.ts';
import { type Entry, EntryType } from '../../format/mod.ts';
import { aclText } from './acl-text.ts';
import type { Member } from './member.ts';

const BLOCK_BYTES = 512;
const NAME_BYTES = 100;
/** What eleven and seven octal digits hold. */
const SIZE_MAX = 8 ** 11 - 1;
const ID_MAX = 8 ** 7 - 1;

/** POSIX.1-2017, pax, "ustar Interchange Format". */
const TYPE_FLAGS: Readonly<Record<number, string>> = {
  [EntryType.file]: '0',
  [EntryType.symlink]: '2',
  [EntryType.characterDevice]: '3',
  [EntryType.blockDevice]: '4',
  [EntryType.folder]: '5',
  [EntryType.fifo]: '6',
};
const HARD_LINK = '1';
const EXTENDED = 'x';

const ACL_NAMES: Readonly<Record<string, string>> = {
  'system.posix_acl_access': 'SCHILY.acl.access',
  'system.posix_acl_default': 'SCHILY.acl.default',
};

/**
 * A tar archive in the pax format of POSIX.1-2001, with GNU tar's and star's records for extended
 * attributes and ACLs. Sockets, which tar cannot hold, are given to `onLeftOut`.
 */
export async function* tarArchive(
  members: AsyncIterable<Member>,
  onLeftOut: (member: Member) => void,
): AsyncGenerator<Uint8Array> {
  for await (const member of members) {
    if (TYPE_FLAGS[member.entry.type] === undefined) {
      onLeftOut(member);
      continue;
    }
    yield headerOf(member);
    if (member.linkTo !== undefined) continue;
    let written = 0;
    for await (const block of member.blocks) {
      written += block.length;
      yield block;
    }
    if (written !== member.size)
      throw new Error(`"${displayText(member.name)}" gave ${written} bytes, not ${member.size}`);
    if (written % BLOCK_BYTES !== 0) yield new Uint8Array(BLOCK_BYTES - (written % BLOCK_BYTES));
  }
  yield new Uint8Array(2 * BLOCK_BYTES);
}

function headerOf({ name: plainName, entry, size: fileSize, linkTo }: Member): Buffer {
  const name = plainName === '' ? './' : entry.type === EntryType.folder ? `${plainName}/` : plainName;
  const target = linkTo ?? entry.target ?? '';
  const size = linkTo === undefined ? fileSize : 0;
  const records = extendedRecords(name, target, size, entry, linkTo !== undefined);
  const header = ustar({
    name,
    size,
    target,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    mtime: entry.mtimeSeconds,
    major: entry.deviceMajor,
    minor: entry.deviceMinor,
    typeFlag: linkTo === undefined ? TYPE_FLAGS[entry.type]! : HARD_LINK,
  });
  if (records.length === 0) return header;
  const extended = ustar({
    name: `PaxHeaders/${name}`,
    size: records.length,
    target: '',
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: 0,
    major: 0,
    minor: 0,
    typeFlag: EXTENDED,
  });
  const padding = Buffer.alloc((BLOCK_BYTES - (records.length % BLOCK_BYTES)) % BLOCK_BYTES);
  return Buffer.concat([extended, records, padding, header]);
}

/** What the fixed fields cannot hold. */
function extendedRecords(
  name: ByteString,
  target: ByteString,
  size: number,
  entry: Entry,
  isLink: boolean,
): Buffer {
  const isBinary = !isUtf8(bytesOf(name)) || !isUtf8(bytesOf(target));
  const records: Buffer[] = [];
  const add = (keyword: string, value: Uint8Array | string) =>
    records.push(record(keyword, typeof value === 'string' ? bytesOf(value) : value));
  // It has to come first: it says how the names after it are to be read.
  if (isBinary) add('hdrcharset', 'BINARY');
  if (isBinary || name.length > NAME_BYTES) add('path', name);
  if (isBinary || target.length > NAME_BYTES) add('linkpath', target);
  if (size > SIZE_MAX) add('size', String(size));
  if (entry.uid > ID_MAX) add('uid', String(entry.uid));
  if (entry.gid > ID_MAX) add('gid', String(entry.gid));
  if (entry.mtimeNanoseconds !== 0 || entry.mtimeSeconds < 0 || entry.mtimeSeconds > SIZE_MAX)
    add('mtime', decimalTime(entry.mtimeSeconds, entry.mtimeNanoseconds));
  if (isLink) return Buffer.concat(records);
  for (const { name, value } of entry.xattrs) {
    const acl = ACL_NAMES[name] && aclText(value);
    if (acl) add(ACL_NAMES[name]!, acl);
    else add(`SCHILY.xattr.${name.replaceAll('%', '%25').replaceAll('=', '%3D')}`, value);
  }
  return Buffer.concat(records);
}

/** `LENGTH KEYWORD=VALUE\n`, the length counting itself. */
function record(keyword: string, value: Uint8Array): Buffer {
  const rest = 1 + keyword.length + 1 + value.length + 1;
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length++;
  return Buffer.concat([bytesOf(`${length} ${keyword}=`), value, bytesOf('\n')]);
}

/** Seconds with their fraction; nanoseconds count forward from the second also before 1970. */
function decimalTime(seconds: number, nanoseconds: number): string {
  if (nanoseconds === 0) return String(seconds);
  const [sign, whole, fraction] =
    seconds < 0 ? ['-', -seconds - 1, 1e9 - nanoseconds] : ['', seconds, nanoseconds];
  return `${sign}${whole}.${String(fraction).padStart(9, '0').replace(/0+$/, '')}`;
}

interface UstarFields {
  readonly name: ByteString;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly typeFlag: string;
  readonly target: ByteString;
  readonly major: number;
  readonly minor: number;
}

function ustar(fields: UstarFields): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  const text = (at: number, bytes: number, value: ByteString) =>
    block.write(value.slice(0, bytes), at, 'latin1');
  const octal = (at: number, bytes: number, value: number, max: number) =>
    text(at, bytes, String(value < 0 || value > max ? 0 : value.toString(8)).padStart(bytes - 1, '0'));
  text(0, NAME_BYTES, fields.name);
  octal(100, 8, fields.mode, ID_MAX);
  octal(108, 8, fields.uid, ID_MAX);
  octal(116, 8, fields.gid, ID_MAX);
  octal(124, 12, fields.size, SIZE_MAX);
  octal(136, 12, fields.mtime, SIZE_MAX);
  text(156, 1, fields.typeFlag);
  text(157, NAME_BYTES, fields.target);
  text(257, 8, 'ustar\x0000');
  octal(329, 8, fields.major, ID_MAX);
  octal(337, 8, fields.minor, ID_MAX);
  // The sum is taken with eight spaces in its own place.
  block.fill(' ', 148, 156);
  text(
    148,
    8,
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
  );
  return block;
}

import { type ByteString, displayText } from '../../base/mod.ts';
import { contentLength, type Entry, EntryType } from '../../format/mod.ts';
import { isUtf8, type Output } from '../terminal/mod.ts';
import { formatTime } from './format.ts';

/** What is shown of an entry, from an image or from the catalog, which knows less. */
export type ShownEntry = Pick<
  Entry,
  'type' | 'mode' | 'uid' | 'gid' | 'mtimeSeconds' | 'mtimeNanoseconds' | 'fingerprint'
> &
  Partial<Pick<Entry, 'content' | 'target' | 'deviceMajor' | 'deviceMinor'>> & { readonly size?: number };

function sizeOf({ size, content }: ShownEntry): number {
  return size ?? (content === undefined ? 0 : contentLength(content));
}

/** restic's names of what an entry is. */
const TYPE_NAMES: Readonly<Record<EntryType, string>> = {
  [EntryType.file]: 'file',
  [EntryType.folder]: 'dir',
  [EntryType.symlink]: 'symlink',
  [EntryType.fifo]: 'fifo',
  [EntryType.socket]: 'socket',
  [EntryType.characterDevice]: 'chardev',
  [EntryType.blockDevice]: 'dev',
};

/** The first letter of `ls -l`. */
const LETTERS: Readonly<Record<EntryType, string>> = {
  [EntryType.file]: '-',
  [EntryType.folder]: 'd',
  [EntryType.symlink]: 'l',
  [EntryType.fifo]: 'p',
  [EntryType.socket]: 's',
  [EntryType.characterDevice]: 'c',
  [EntryType.blockDevice]: 'b',
};

/** The bits of Go's `os.FileMode`, which restic prints as a number, and their letters, highest first. */
const GO_TYPES: Readonly<Record<EntryType, { readonly bits: number; readonly letters: string }>> = {
  [EntryType.file]: { bits: 0, letters: '' },
  [EntryType.folder]: { bits: 2 ** 31, letters: 'd' },
  [EntryType.symlink]: { bits: 2 ** 27, letters: 'L' },
  [EntryType.fifo]: { bits: 2 ** 25, letters: 'p' },
  [EntryType.socket]: { bits: 2 ** 24, letters: 'S' },
  [EntryType.characterDevice]: { bits: 2 ** 26 + 2 ** 21, letters: 'Dc' },
  [EntryType.blockDevice]: { bits: 2 ** 26, letters: 'D' },
};
const GO_SET_UID = { mask: 0o4000, bits: 2 ** 23, letter: 'u' };
const GO_SET_GID = { mask: 0o2000, bits: 2 ** 22, letter: 'g' };
const GO_STICKY = { mask: 0o1000, bits: 2 ** 20, letter: 't' };

/** An entry as restic's node object, with what restic does not know at its end. */
export function entryJson(path: ByteString, entry: ShownEntry): Record<string, unknown> {
  const special = [GO_SET_UID, GO_SET_GID, GO_STICKY].filter(({ mask }) => entry.mode & mask);
  const type = GO_TYPES[entry.type];
  // Go puts the letter of a character device between those of set-gid and sticky.
  const [first = '', second = ''] = type.letters;
  const before = special
    .filter(({ letter }) => letter !== 't')
    .map(({ letter }) => letter)
    .join('');
  const letters = first + before + second + (special.includes(GO_STICKY) ? 't' : '');
  return {
    name: displayText(path === '/' ? path : path.slice(path.lastIndexOf('/') + 1)),
    type: TYPE_NAMES[entry.type],
    ...pathJson(path),
    uid: entry.uid,
    gid: entry.gid,
    ...(entry.type === EntryType.file && { size: sizeOf(entry) }),
    mode: special.reduce((sum, { bits }) => sum + bits, type.bits) + (entry.mode & 0o777),
    permissions: (letters || '-') + permissionLetters(entry.mode & 0o777),
    mtime: entryTimeJson(entry),
    ...(entry.target !== undefined && { link_target: displayText(entry.target) }),
    ...(entry.fingerprint !== undefined && { fingerprint: Buffer.from(entry.fingerprint).toString('hex') }),
  };
}

/** A path as text, and, where that loses something, as its bytes. */
export function pathJson(path: ByteString): { readonly path: string; readonly path_base64?: string } {
  const text = { path: displayText(path) };
  return isUtf8(path) ? text : { ...text, path_base64: Buffer.from(path, 'latin1').toString('base64') };
}

/** The entry's mtime as RFC 3339 with its nanoseconds. */
export function entryTimeJson({
  mtimeSeconds,
  mtimeNanoseconds,
}: Pick<Entry, 'mtimeSeconds' | 'mtimeNanoseconds'>): string {
  const date = new Date(mtimeSeconds * 1000);
  // Beyond the years that the standard can write, the seconds alone.
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() > 9999 || date.getUTCFullYear() < 0) {
    return `${mtimeSeconds}.${String(mtimeNanoseconds).padStart(9, '0')}`;
  }
  return `${date.toISOString().slice(0, 19)}.${String(mtimeNanoseconds).padStart(9, '0')}Z`;
}

/** A line of `ls -l`: mode, owner, group, size or device, mtime, path, target. */
export function longLine(output: Output, path: ByteString, entry: ShownEntry): ByteString {
  const isDevice =
    entry.deviceMajor !== undefined &&
    (entry.type === EntryType.characterDevice || entry.type === EntryType.blockDevice);
  const size = isDevice ? `${entry.deviceMajor}, ${entry.deviceMinor}` : String(sizeOf(entry));
  const start = [
    modeText(entry),
    String(entry.uid).padStart(5),
    String(entry.gid).padStart(5),
    size.padStart(12),
    formatTime(entry.mtimeSeconds * 1000 + Math.floor(entry.mtimeNanoseconds / 1e6)),
  ].join(' ');
  return `${start} ${output.path(path)}${entry.target === undefined ? '' : ` -> ${output.path(entry.target)}`}`;
}

/** `drwxr-sr-t`, as `ls` writes it. */
export function modeText({ type, mode }: Pick<Entry, 'type' | 'mode'>): string {
  const letters = [...permissionLetters(mode & 0o777)];
  if (mode & 0o4000) letters[2] = letters[2] === 'x' ? 's' : 'S';
  if (mode & 0o2000) letters[5] = letters[5] === 'x' ? 's' : 'S';
  if (mode & 0o1000) letters[8] = letters[8] === 'x' ? 't' : 'T';
  return LETTERS[type] + letters.join('');
}

function permissionLetters(bits: number): string {
  return [...'rwxrwxrwx'].map((letter, i) => (bits & (0o400 >> i) ? letter : '-')).join('');
}

import { STAT_FIELDS, StatField } from '../chunk/mod.ts';
import { EntryType, STAT_WORDS, statWordsOf } from '../format/mod.ts';
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  type StatBuffer,
} from '../os/mod.ts';

/** Fields of the 16 stat words of a track record. */
export const Word = {
  nlink: 0,
  uid: 1,
  gid: 2,
  mode: 3,
  inode: 4,
  size: 6,
  ctime: 8,
  mtime: 11,
  device: 14,
} as const;

export function wordsOf(stat: StatBuffer): Uint32Array {
  const words = new Uint32Array(STAT_WORDS);
  statWordsOf(stat.words, words);
  return words;
}

export function typeOf(words: Uint32Array): EntryType | undefined {
  switch (words[Word.mode] & S_IFMT) {
    case S_IFREG:
      return EntryType.file;
    case S_IFDIR:
      return EntryType.folder;
    case S_IFLNK:
      return EntryType.symlink;
    case S_IFIFO:
      return EntryType.fifo;
    case S_IFSOCK:
      return EntryType.socket;
    case S_IFCHR:
      return EntryType.characterDevice;
    case S_IFBLK:
      return EntryType.blockDevice;
    default:
      return undefined;
  }
}

function u64(words: Uint32Array, at: number): number {
  return words[at] + words[at + 1] * 2 ** 32;
}

export function inodeOf(words: Uint32Array): number {
  return u64(words, Word.inode);
}

export function sizeOf(words: Uint32Array): number {
  return u64(words, Word.size);
}

/** Seconds since 1970, possibly negative, and nanoseconds. */
export function timeOf(words: Uint32Array, at: typeof Word.ctime | typeof Word.mtime): [number, number] {
  return [(words[at + 1] | 0) * 2 ** 32 + words[at], words[at + 2]];
}

/** The numbers by which a reader tells whether a file was written in between. */
export function statFields(
  words: Uint32Array,
  out: Float64Array = new Float64Array(STAT_FIELDS),
  at = 0,
): Float64Array {
  const [mtimeSeconds, mtimeNanoseconds] = timeOf(words, Word.mtime);
  const [ctimeSeconds, ctimeNanoseconds] = timeOf(words, Word.ctime);
  out[at + StatField.size] = sizeOf(words);
  out[at + StatField.mtimeSeconds] = mtimeSeconds;
  out[at + StatField.mtimeNanoseconds] = mtimeNanoseconds;
  out[at + StatField.ctimeSeconds] = ctimeSeconds;
  out[at + StatField.ctimeNanoseconds] = ctimeNanoseconds;
  out[at + StatField.inode] = inodeOf(words);
  out[at + StatField.deviceMajor] = words[Word.device];
  out[at + StatField.deviceMinor] = words[Word.device + 1];
  return out;
}

/** A clock's tick, and the coarse times of some file systems: what was written so shortly before a look may be written again unseen. */
const UNCERTAIN_MS = 2000;

/**
 * Whether equal stat words will mean next time that nothing was written since. The look of an entry that
 * stands for several (hard links, a second reading) may be older than its words, so all are taken to be
 * looked at when the capture began: what changed since then is read once more.
 */
export function isTrusted(words: Uint32Array, began: number): boolean {
  const certain = began - UNCERTAIN_MS;
  for (const at of [Word.ctime, Word.mtime] as const) {
    const [seconds, nanoseconds] = timeOf(words, at);
    if (seconds * 1000 + nanoseconds / 1e6 > certain) return false;
  }
  return true;
}

/** The stat words as numbers with names. */
export function trackedStat(words: Uint32Array) {
  const [mtimeSeconds, mtimeNanoseconds] = timeOf(words, Word.mtime);
  const [ctimeSeconds, ctimeNanoseconds] = timeOf(words, Word.ctime);
  return {
    links: words[Word.nlink],
    uid: words[Word.uid],
    gid: words[Word.gid],
    mode: words[Word.mode] & 0o7777,
    inode: inodeOf(words),
    size: sizeOf(words),
    ctimeSeconds,
    ctimeNanoseconds,
    mtimeSeconds,
    mtimeNanoseconds,
    deviceMajor: words[Word.device],
    deviceMinor: words[Word.device + 1],
  };
}

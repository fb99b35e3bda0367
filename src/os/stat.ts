import { constants } from 'node:fs';
import type { ByteString } from '../base/mod.ts';
import { AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_SYMLINK_NOFOLLOW, checked, lastErrno, libc } from './libc.ts';
import { allocateNative } from './memory.ts';
import { pathAddress } from './native-path.ts';
import { reachPath } from './open.ts';
import { Errno, SystemError } from './system-error.ts';

export const { S_IFMT, S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK } = constants;

const STATX_BASIC_STATS = 0x7ff;
const FLAGS = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
const STATX_BYTES = 256;
const TWO_32 = 0x1_0000_0000;

/**
 * What the kernel says of one inode: a `struct statx` (linux/stat.h) that is filled again and again,
 * since millions of inodes are looked at and few are kept. Symlinks are never followed and automounts
 * never triggered.
 *
 * As 32-bit little-endian words: 2–3 attributes, 4 nlink, 5 uid, 6 gid, 7 mode, 8–9 inode, 10–11 size,
 * 12–13 blocks, 24–26 ctime, 28–30 mtime, 32–33 rdev, 34–35 device. A time is seconds in two words,
 * then nanoseconds. The rest (access and birth time, mount, limits of I/O) means nothing to a backup.
 */
export class StatBuffer {
  readonly #memory = allocateNative(STATX_BYTES);
  readonly #address = this.#memory.address;
  readonly #signed = new Int32Array(this.#memory.buffer.buffer);
  /** The structure as it stands, for comparisons and copies without a getter each. */
  readonly words: Uint32Array = new Uint32Array(this.#memory.buffer.buffer);

  /**
   * Looks at `name` below the folder `dirfd`; false when there is no such name. Throws `SystemError`
   * for every other failure, and then, as for false, the contents mean nothing.
   */
  at(dirfd: number, name: ByteString): boolean {
    const errno = this.atAddress(dirfd, pathAddress(name));
    if (errno === 0) return true;
    if (errno === Errno.ENOENT) return false;
    throw new SystemError(errno, 'statx', name);
  }

  /** The same for a path of any length; symbolic links on the way are followed. */
  path(path: ByteString): boolean {
    return reachPath(path, (dirfd, name) => this.at(dirfd, name));
  }

  /** The same as `at` for a C string at `address`: 0, or the positive number of the error. Never throws. */
  atAddress(dirfd: number, address: number): number {
    return libc.statx(dirfd, address, FLAGS, STATX_BASIC_STATS, this.#address) === 0 ? 0 : lastErrno();
  }

  /** Looks at an open file. Throws `SystemError`. */
  fd(fd: number): void {
    checked(libc.statx(fd, pathAddress(''), AT_EMPTY_PATH, STATX_BASIC_STATS, this.#address), 'statx');
  }

  /** The kind of inode: `S_IFREG` and the like. */
  get type(): number {
    return this.words[7] & S_IFMT;
  }

  /** Permissions with setuid, setgid and sticky: 12 bits. */
  get mode(): number {
    return this.words[7] & 0o7777;
  }

  get nlink(): number {
    return this.words[4];
  }

  get uid(): number {
    return this.words[5];
  }

  get gid(): number {
    return this.words[6];
  }

  get inodeLow(): number {
    return this.words[8];
  }

  get inodeHigh(): number {
    return this.words[9];
  }

  /** Rounded above 2^53; `inodeLow` and `inodeHigh` are exact. */
  get inode(): number {
    return this.words[9] * TWO_32 + this.words[8];
  }

  /** Bytes. */
  get size(): number {
    return this.words[11] * TWO_32 + this.words[10];
  }

  /** Space in use, in units of 512 bytes. */
  get blocks(): number {
    return this.words[13] * TWO_32 + this.words[12];
  }

  /** Seconds since 1970, negative before. */
  get mtimeSeconds(): number {
    return this.#signed[29] * TWO_32 + this.words[28];
  }

  get mtimeNanoseconds(): number {
    return this.words[30];
  }

  /** Seconds since 1970, negative before. */
  get ctimeSeconds(): number {
    return this.#signed[25] * TWO_32 + this.words[24];
  }

  get ctimeNanoseconds(): number {
    return this.words[26];
  }

  /** The device that the inode stands for, if it is one. */
  get rdevMajor(): number {
    return this.words[32];
  }

  get rdevMinor(): number {
    return this.words[33];
  }

  /** The device that holds the inode. */
  get deviceMajor(): number {
    return this.words[34];
  }

  get deviceMinor(): number {
    return this.words[35];
  }

  /** Low 32 bits of the `STATX_ATTR_*` flags. */
  get attributes(): number {
    return this.words[2];
  }
}

import { lastErrno, libc } from './libc.ts';
import { allocateNative } from './memory.ts';
import { Errno, SystemError } from './system-error.ts';

// The numbers carry the size of a `long`, the kernel reads and writes an `int` (linux/fs.h).
const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC_SETFLAGS = 0x40086602;

/** Inode flags (linux/fs.h) that a user asked for with chattr; the letters are chattr's. */
export const InodeFlag = {
  /** `s`: overwrite when deleted. */
  SECRM: 0x1,
  /** `u`: keep when deleted. */
  UNRM: 0x2,
  /** `c`: compress (btrfs). */
  COMPRESS: 0x4,
  /** `S`: write through at once. */
  SYNC: 0x8,
  /** `i`: refuse every change, so it comes last in a restore. */
  IMMUTABLE: 0x10,
  /** `a`: refuse all but appending, so it comes last in a restore. */
  APPEND: 0x20,
  /** `d`: not for dump(8). */
  NODUMP: 0x40,
  /** `A`: leave the access time alone. */
  NOATIME: 0x80,
  /** `m`: never compress (btrfs). */
  NOCOMPRESS: 0x400,
  /** `j`: data through the journal too (ext3, ext4). */
  JOURNAL_DATA: 0x4000,
  /** `t`: do not merge the tail with others. */
  NOTAIL: 0x8000,
  /** `D`: write changes of the folder through at once. */
  DIRSYNC: 0x10000,
  /** `T`: top of a hierarchy, for the block allocator. */
  TOPDIR: 0x20000,
  /** `C`: no copy on write (btrfs); taken only while a file is empty. */
  NOCOW: 0x800000,
  /** `x`: direct access to persistent memory. */
  DAX: 0x2000000,
  /** `P`: new entries take the folder's project. */
  PROJINHERIT: 0x20000000,
  /** `F`: names in the folder match whatever their case; taken only while it is empty. */
  CASEFOLD: 0x40000000,
} as const;

/**
 * The flags that a backup keeps: wishes. Left out are those that say how a file happens to be stored,
 * which the file system decides anew and which would make equal files look different:
 * - 0x100 dirty, 0x200 compressed blocks: how far compression of ext2 got;
 * - 0x800 encrypted: needs a key that is no part of the file; what is read is plain;
 * - 0x1000 indexed folder, 0x2000 imagic, 0x40000 huge file, 0x80000 extents, 0x200000 attribute in an
 *   inode, 0x400000 blocks past the end, 0x10000000 inline data: layout;
 * - 0x100000 verity: sealed by its own ioctl, which hashes the file anew;
 * - 0x80000000: kept for the ext4 library.
 */
export const RESTORABLE_FLAGS: number = Object.values(InodeFlag).reduce((mask, flag) => mask | flag, 0);

const word = allocateNative(8);

/**
 * All inode flags of an open file or folder; 0 where the file system has none. Ask no device or FIFO:
 * their drivers may take the number for another. Throws `SystemError`.
 */
export function getInodeFlags(fd: number): number {
  if (libc.ioctl(fd, FS_IOC_GETFLAGS, word.address) === 0) return word.buffer.readUInt32LE(0);
  const errno = lastErrno();
  if (errno === Errno.ENOTTY || errno === Errno.EOPNOTSUPP) return 0;
  throw new SystemError(errno, 'ioctl FS_IOC_GETFLAGS');
}

/**
 * Makes the restorable flags of an open file or folder those of `flags`. The others stay as they are:
 * ext4 would rewrite a file's block map if the extents flag were cleared.
 * Throws `SystemError`; ENOTSUP where the file system lacks one. Some leave out silently what they lack.
 */
export function setInodeFlags(fd: number, flags: number): void {
  const current = getInodeFlags(fd);
  const wanted = (current & ~RESTORABLE_FLAGS) | (flags & RESTORABLE_FLAGS);
  if (wanted >>> 0 === current) return;
  word.buffer.writeUInt32LE(wanted >>> 0, 0);
  if (libc.ioctl(fd, FS_IOC_SETFLAGS, word.address) === 0) return;
  throw new SystemError(lastErrno(), 'ioctl FS_IOC_SETFLAGS');
}

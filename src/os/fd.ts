import { constants, fchmodSync, fchownSync, fsyncSync, ftruncateSync, readSync, writeSync } from 'node:fs';
import { checked, lastErrno, libc } from './libc.ts';
import { Errno, SystemError } from './system-error.ts';
import { timesAddress } from './times.ts';

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;
const F_DUPFD_CLOEXEC = 1030;
const F_GETFL = 3;
const F_SETFL = 4;

/**
 * Reads up to `length` bytes of `fd` from byte `position` on into `buffer` at `offset`, without moving
 * the file's own position. Returns how many; 0 at the end.
 */
export function read(
  fd: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
  position: number,
): number {
  return readSync(fd, buffer, offset, length, position);
}

/** Writes all `length` bytes of `buffer` from `offset` on to byte `position` of `fd`. */
export function write(
  fd: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
  position: number,
): void {
  let done = 0;
  while (done < length) done += writeSync(fd, buffer, offset + done, length - done, position + done);
}

/** Cuts `fd` to `size` bytes, or lengthens it with a hole. */
export function ftruncate(fd: number, size: number): void {
  ftruncateSync(fd, size);
}

/** Returns when everything written to `fd` is on stable storage. After a failure nothing is known; never try again. */
export function fsync(fd: number): void {
  fsyncSync(fd);
}

/** Sets the 12 bits of permissions. */
export function fchmod(fd: number, mode: number): void {
  fchmodSync(fd, mode);
}

/** Sets owner and group; drops setuid, setgid and capabilities of a file, so it comes before those. */
export function fchown(fd: number, uid: number, gid: number): void {
  fchownSync(fd, uid, gid);
}

/** Sets the modification time, in seconds since 1970 (negative before) and nanoseconds; leaves the access time. */
export function futimens(fd: number, seconds: number, nanoseconds: number): void {
  checked(libc.futimens(fd, timesAddress(seconds, nanoseconds)), 'futimens');
}

/** Where data begins at or after byte `offset`; -1 when none follows. Moves the file's own position. */
export function seekData(fd: number, offset: number): number {
  return seek(fd, offset, SEEK_DATA);
}

/** Where a hole begins at or after byte `offset`, the end of the file at the latest; -1 at or past the end. */
export function seekHole(fd: number, offset: number): number {
  return seek(fd, offset, SEEK_HOLE);
}

function seek(fd: number, offset: number, whence: number): number {
  const found = libc.lseek(fd, offset, whence);
  if (found >= 0) return found;
  const errno = lastErrno();
  if (errno === Errno.ENXIO) return -1;
  throw new SystemError(errno, 'lseek');
}

/** Gives back the space of `length` bytes at `offset`, which then read as zeros; the size stays. */
export function punchHole(fd: number, offset: number, length: number): void {
  checked(libc.fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, offset, length), 'fallocate');
}

/** Another descriptor of the same open file, closed on exec. */
export function dup(fd: number): number {
  return checked(libc.fcntl(fd, F_DUPFD_CLOEXEC, 0), 'fcntl');
}

/**
 * Has what is written to `fd` from now on go past the page cache (`O_DIRECT`), or through it again: from
 * memory, of lengths and to places that are multiples of `DIRECT_BLOCK_BYTES`. False where the file
 * system does not offer it; one that does may still refuse a write with EINVAL.
 */
export function setDirect(fd: number, isDirect: boolean): boolean {
  const flags = checked(libc.fcntl(fd, F_GETFL, 0), 'fcntl');
  const wanted = isDirect ? flags | constants.O_DIRECT : flags & ~constants.O_DIRECT;
  if (libc.fcntl(fd, F_SETFL, wanted) === 0) return true;
  const errno = lastErrno();
  if (errno === Errno.EINVAL) return false;
  throw new SystemError(errno, 'fcntl');
}

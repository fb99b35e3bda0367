import type { ByteString } from '../base/mod.ts';
import { AT_REMOVEDIR, AT_SYMLINK_NOFOLLOW, checked, libc } from './libc.ts';
import { allocateNative } from './memory.ts';
import { PATH_BYTES_MAX, pathAddress, secondPathAddress } from './native-path.ts';
import { Errno, SystemError } from './system-error.ts';
import { timesAddress } from './times.ts';

// Every call takes a name below the folder `dirfd`, follows no symlink in its last component, and throws
// `SystemError`.

// What the kernel stores of a device number: 12 bits of major, 20 bits of minor.
const MAJOR_MAX = 0xfff;
const MINOR_MAX = 0xfffff;

const target = allocateNative(PATH_BYTES_MAX);

/** Makes the symlink `name` with the contents `contents`. */
export function symlinkAt(contents: ByteString, dirfd: number, name: ByteString): void {
  checked(libc.symlinkat(secondPathAddress(contents), dirfd, pathAddress(name)), 'symlinkat', name);
}

/** The contents of the symlink `name`. */
export function readlinkAt(dirfd: number, name: ByteString): ByteString {
  const length = checked(
    libc.readlinkat(dirfd, pathAddress(name), target.address, PATH_BYTES_MAX),
    'readlinkat',
    name,
  );
  // As long as the room: more may have been cut off.
  if (length === PATH_BYTES_MAX) throw new SystemError(Errno.ENAMETOOLONG, 'readlinkat', name);
  return target.buffer.toString('latin1', 0, length);
}

/** Gives the inode `oldName`, a symlink itself too, the further name `newName`. */
export function linkAt(oldDirfd: number, oldName: ByteString, newDirfd: number, newName: ByteString): void {
  const result = libc.linkat(oldDirfd, pathAddress(oldName), newDirfd, secondPathAddress(newName), 0);
  checked(result, 'linkat', newName);
}

/** Makes a folder; the umask is taken off `mode`. */
export function mkdirAt(dirfd: number, name: ByteString, mode: number): void {
  checked(libc.mkdirat(dirfd, pathAddress(name), mode), 'mkdirat', name);
}

/** The device number of a character or block device. */
export interface DeviceNumber {
  readonly major: number;
  readonly minor: number;
}

/**
 * Makes a FIFO, socket, character or block device (`S_IF*` in `mode`); the umask is taken off `mode`.
 * `device` counts for devices only.
 */
export function mknodAt(
  dirfd: number,
  name: ByteString,
  mode: number,
  { major, minor }: DeviceNumber = { major: 0, minor: 0 },
): void {
  if (major > MAJOR_MAX || minor > MINOR_MAX) throw new SystemError(Errno.EINVAL, 'mknodat', name);
  const number = ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
  checked(libc.mknodat(dirfd, pathAddress(name), mode, number), 'mknodat', name);
}

/** Removes a name; `directory` says whether it is that of an empty folder. */
export function unlinkAt(dirfd: number, name: ByteString, { directory = false } = {}): void {
  checked(libc.unlinkat(dirfd, pathAddress(name), directory ? AT_REMOVEDIR : 0), 'unlinkat', name);
}

/** Moves a name within a file system, over what may be there. */
export function renameAt(oldDirfd: number, oldName: ByteString, newDirfd: number, newName: ByteString): void {
  const result = libc.renameat(oldDirfd, pathAddress(oldName), newDirfd, secondPathAddress(newName));
  checked(result, 'renameat', newName);
}

/** Sets owner and group. */
export function fchownAt(dirfd: number, name: ByteString, uid: number, gid: number): void {
  const result = libc.fchownat(dirfd, pathAddress(name), uid, gid, AT_SYMLINK_NOFOLLOW);
  checked(result, 'fchownat', name);
}

/** Sets the 12 bits of permissions; ENOTSUP for a symlink, which has none. */
export function fchmodAt(dirfd: number, name: ByteString, mode: number): void {
  checked(libc.fchmodat(dirfd, pathAddress(name), mode, AT_SYMLINK_NOFOLLOW), 'fchmodat', name);
}

/** Sets the modification time, in seconds since 1970 (negative before) and nanoseconds; leaves the access time. */
export function utimensAt(dirfd: number, name: ByteString, seconds: number, nanoseconds: number): void {
  const times = timesAddress(seconds, nanoseconds);
  checked(libc.utimensat(dirfd, pathAddress(name), times, AT_SYMLINK_NOFOLLOW), 'utimensat', name);
}

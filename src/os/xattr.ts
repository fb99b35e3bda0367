import { existsSync } from 'node:fs';
import { type ByteString, displayText, EverfullError, errnoOf } from '../base/mod.ts';
import { AT_FDCWD, checked, lastErrno, libc } from './libc.ts';
import { allocateNative } from './memory.ts';
import { pathAddress, secondPathAddress } from './native-path.ts';
import { reachPath } from './open.ts';
import { Errno, SystemError } from './system-error.ts';

/** An extended attribute. ACLs are among them, as `system.posix_acl_access` and `_default`. */
export interface Xattr {
  /** With its namespace: `user.comment`. */
  readonly name: ByteString;
  readonly value: Buffer;
}

// The most that Linux passes (linux/limits.h), so nothing is ever asked for twice because of its size.
const XATTR_LIST_BYTES_MAX = 65536;
const XATTR_VALUE_BYTES_MAX = 65536;
/** A list that keeps changing is taken without the names that answer "no such attribute". */
const ATTEMPTS_MAX = 3;

const NONE: readonly Xattr[] = Object.freeze([]);

const PROC_FDS = '/proc/self/fd';

const listMemory = allocateNative(XATTR_LIST_BYTES_MAX);
const valueMemory = allocateNative(XATTR_VALUE_BYTES_MAX);

/** The calls for one way to point at an inode; their first parameter is the descriptor or the path's address. */
interface Calls {
  readonly list: (subject: number, list: number, size: number) => number;
  readonly get: (subject: number, name: number, value: number, size: number) => number;
  readonly set: (subject: number, name: number, value: number, size: number, flags: number) => number;
  readonly remove: (subject: number, name: number) => number;
}

const byFd: Calls = {
  list: libc.flistxattr,
  get: libc.fgetxattr,
  set: libc.fsetxattr,
  remove: libc.fremovexattr,
};
const byPath: Calls = {
  list: libc.llistxattr,
  get: libc.lgetxattr,
  set: libc.lsetxattr,
  remove: libc.lremovexattr,
};

/**
 * The extended attributes of an open file, in byte order of their names; none where the file system has
 * no such thing. The system lists `trusted.` attributes for root only. Throws `SystemError`.
 */
export function xattrsOfFd(fd: number): readonly Xattr[] {
  return xattrsOf(byFd, fd);
}

/** The same for `name` below the folder `dirfd`, a symlink itself too. */
export function xattrsAt(dirfd: number, name: ByteString): readonly Xattr[] {
  return throughProc(dirfd, name, (path) => xattrsOf(byPath, pathAddress(path), name));
}

/** The same for a path of any length; only its last component is not followed. */
export function xattrsOfPath(path: ByteString): readonly Xattr[] {
  return reachPath(path, xattrsAt);
}

/** Sets an attribute of an open file. Throws `SystemError`. */
export function setXattr(fd: number, xattr: Xattr): void {
  setXattrOf(byFd, fd, xattr);
}

/** Sets an attribute of `name` below the folder `dirfd`, a symlink itself too. */
export function setXattrAt(dirfd: number, name: ByteString, xattr: Xattr): void {
  throughProc(dirfd, name, (path) => setXattrOf(byPath, pathAddress(path), xattr, name));
}

/** Removes an attribute of an open file, if it is there. Throws `SystemError`. */
export function removeXattr(fd: number, xattrName: ByteString): void {
  removeXattrOf(byFd, fd, xattrName);
}

/** Removes an attribute, if it is there, of `name` below the folder `dirfd`, a symlink itself too. */
export function removeXattrAt(dirfd: number, name: ByteString, xattrName: ByteString): void {
  throughProc(dirfd, name, (path) => removeXattrOf(byPath, pathAddress(path), xattrName, name));
}

function xattrsOf(calls: Calls, subject: number, shown?: ByteString): readonly Xattr[] {
  for (let attempt = 1; ; attempt++) {
    const length = calls.list(subject, listMemory.address, XATTR_LIST_BYTES_MAX);
    if (length === 0) return NONE;
    if (length < 0) {
      const errno = lastErrno();
      if (errno === Errno.EOPNOTSUPP) return NONE;
      throw new SystemError(errno, 'listxattr', shown);
    }
    const names = listMemory.buffer
      .toString('latin1', 0, length - 1)
      .split('\0')
      .sort();
    const found: Xattr[] = [];
    for (const name of names) {
      const value = readValue(calls, subject, name, shown);
      if (value !== undefined) found.push({ name, value });
    }
    if (found.length === names.length || attempt === ATTEMPTS_MAX) return found.length === 0 ? NONE : found;
  }
}

/** The value of an attribute, or undefined if it is not there. */
function readValue(calls: Calls, subject: number, name: ByteString, shown?: ByteString): Buffer | undefined {
  const length = calls.get(subject, secondPathAddress(name), valueMemory.address, XATTR_VALUE_BYTES_MAX);
  if (length >= 0) return Buffer.from(valueMemory.buffer.subarray(0, length));
  const errno = lastErrno();
  if (errno === Errno.ENODATA) return undefined;
  throw new SystemError(errno, `getxattr ${displayText(name)}`, shown);
}

function setXattrOf(calls: Calls, subject: number, { name, value }: Xattr, shown?: ByteString): void {
  const syscall = `setxattr ${displayText(name)}`;
  if (value.length > XATTR_VALUE_BYTES_MAX) throw new SystemError(Errno.E2BIG, syscall, shown);
  valueMemory.buffer.set(value);
  const result = calls.set(subject, secondPathAddress(name), valueMemory.address, value.length, 0);
  checked(result, syscall, shown);
}

function removeXattrOf(calls: Calls, subject: number, name: ByteString, shown?: ByteString): void {
  if (calls.remove(subject, secondPathAddress(name)) === 0) return;
  const errno = lastErrno();
  if (errno !== Errno.ENODATA) throw new SystemError(errno, `removexattr ${displayText(name)}`, shown);
}

/**
 * Gives `use` a path to `name` below `dirfd` for the calls that know paths only: through /proc, which
 * leads through the open folder whatever it is called by now.
 */
function throughProc<T>(dirfd: number, name: ByteString, use: (path: ByteString) => T): T {
  if (dirfd === AT_FDCWD) return use(name);
  try {
    return use(`${PROC_FDS}/${dirfd}/${name}`);
  } catch (error) {
    // Without /proc every name would look as if it were gone.
    if (errnoOf(error) === 'ENOENT' && !existsSync(PROC_FDS)) {
      throw new EverfullError('unsupported', `Could not reach extended attributes: ${PROC_FDS} is missing`, {
        advice: 'Mount /proc.',
        cause: error,
      });
    }
    throw error;
  }
}

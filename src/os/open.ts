import { constants } from 'node:fs';
import type { ByteString } from '../base/mod.ts';
import { AT_FDCWD, checked, lastErrno, libc } from './libc.ts';
import { PATH_BYTES_MAX, pathAddress } from './native-path.ts';
import { Errno } from './system-error.ts';

// From Node, since the values of some differ between x64 and arm64.
export const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND } = constants;
export const { O_DIRECTORY, O_NOFOLLOW, O_NOATIME, O_NONBLOCK, O_NOCTTY } = constants;
/** Only a handle on the inode: works without permission to read it, and never waits for a FIFO. */
export const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;

const DIRECTORY_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
// A FIFO that took the file's place since the look at it would make a plain open wait for a writer.
const FILE_FLAGS = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

/**
 * A descriptor for `name` below the folder `dirfd`, closed on exec. `flags` are those of open(2);
 * `mode` counts only with O_CREAT. Throws `SystemError`.
 */
export function open(dirfd: number, name: ByteString, flags: number, mode = 0): number {
  return checked(libc.openat(dirfd, pathAddress(name), flags | O_CLOEXEC, mode), 'openat', name);
}

/** Closes `fd`. Throws `SystemError`, after which the descriptor is closed all the same. */
export function close(fd: number): void {
  checked(libc.close(fd), 'close');
}

/** A folder to be listed, below the folder `dirfd`; a symlink is refused with ENOTDIR. */
export function openDirectory(dirfd: number, name: ByteString): number {
  return openUnnoticed(dirfd, name, DIRECTORY_FLAGS);
}

/**
 * A file to be read, below the folder `dirfd`; a symlink is refused with ELOOP. Never waits: should
 * `name` be a FIFO by now, it opens, and a look at the descriptor tells.
 */
export function openFile(dirfd: number, name: ByteString): number {
  return openUnnoticed(dirfd, name, FILE_FLAGS);
}

/** Opens without touching the access time where we may: it is the right of the owner and of root. */
function openUnnoticed(dirfd: number, name: ByteString, flags: number): number {
  const fd = libc.openat(dirfd, pathAddress(name), flags | O_NOATIME | O_CLOEXEC, 0);
  if (fd >= 0) return fd;
  if (lastErrno() !== Errno.EPERM) checked(fd, 'openat', name);
  return open(dirfd, name, flags);
}

/** A folder to be listed, by a path of any length. Only the last component must not be a symlink. */
export function openDirectoryPath(path: ByteString): number {
  return reachPath(path, openDirectory);
}

/**
 * Lends `use` a folder's descriptor and a name that together lead to `path`: the path itself where one
 * system call takes it, else its last component and the folder that holds it. Symlinks on the way are
 * followed, as the kernel does.
 */
export function reachPath<T>(path: ByteString, use: (dirfd: number, name: ByteString) => T): T {
  if (path.length < PATH_BYTES_MAX) return use(AT_FDCWD, path);
  let dirfd = AT_FDCWD;
  let rest = path;
  try {
    for (;;) {
      const start = lastComponentStart(rest, PATH_BYTES_MAX - 1);
      if (start === 0) return use(dirfd, rest);
      const next = open(dirfd, rest.slice(0, start), O_PATH | O_DIRECTORY);
      if (dirfd !== AT_FDCWD) close(dirfd);
      dirfd = next;
      rest = rest.slice(start);
    }
  } finally {
    if (dirfd !== AT_FDCWD) close(dirfd);
  }
}

/** Where the last of the components that begin at `limit` or before it begins. */
function lastComponentStart(path: ByteString, limit: number): number {
  let start = Math.min(limit, path.length - 1);
  while (start > 0 && (path[start] === '/' || path[start - 1] !== '/')) start--;
  return start;
}

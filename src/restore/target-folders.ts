import type { ByteString } from '../base/mod.ts';
import { close, O_DIRECTORY, O_NOFOLLOW, O_PATH, open } from '../os/mod.ts';

/** Only a handle: entries can be made through it, and no right to list the folder is needed. */
const FLAGS = O_PATH | O_DIRECTORY | O_NOFOLLOW;

/** Folders held open; each worker and the main thread have as many. */
const OPEN_MAX = 128;

/**
 * The folders below the target, as descriptors. Nothing else of this folder's code leads to a place:
 * - every component is opened from the descriptor of the folder above it, never a path, so neither its
 *   length nor `..` matters;
 * - a symlink is never followed, whoever made it and when: it is refused with ENOTDIR.
 *
 * A descriptor is valid until the next call.
 */
export class TargetFolders {
  readonly #root: number;
  /** By path, the least recently used first. */
  readonly #open = new Map<ByteString, number>();

  /** @param root the target, which stays open; -1 if it does not exist, in a dry run */
  constructor(root: number) {
    this.#root = root;
  }

  /** The folder at `path` below the target, '' for the target. Throws `SystemError`: ENOENT, ENOTDIR… */
  open(path: ByteString): number {
    if (path === '') return this.#root;
    let fd = this.#known(path);
    if (fd !== undefined) return fd;
    let slash = path.lastIndexOf('/');
    while (slash > 0) {
      fd = this.#known(path.slice(0, slash));
      if (fd !== undefined) break;
      slash = path.lastIndexOf('/', slash - 1);
    }
    fd ??= this.#root;
    for (let start = slash + 1; start < path.length; ) {
      const next = path.indexOf('/', start);
      const end = next < 0 ? path.length : next;
      fd = open(fd, path.slice(start, end), FLAGS);
      this.keep(path.slice(0, end), fd);
      start = end + 1;
    }
    return fd;
  }

  #known(path: ByteString): number | undefined {
    const fd = this.#open.get(path);
    if (fd === undefined) return undefined;
    this.#open.delete(path);
    this.#open.set(path, fd);
    return fd;
  }

  /** Takes over the descriptor of the folder at `path`. */
  keep(path: ByteString, fd: number): void {
    this.#open.set(path, fd);
    if (this.#open.size <= OPEN_MAX) return;
    for (const [oldest, oldestFd] of this.#open) {
      this.#open.delete(oldest);
      close(oldestFd);
      return;
    }
  }

  /** Closes all: after a folder was removed or replaced, what is open may be another one. */
  close(): void {
    for (const fd of this.#open.values()) close(fd);
    this.#open.clear();
  }
}

/** The folder part of a path below the target, and its last component. */
export function splitPlace(path: ByteString): { folder: ByteString; name: ByteString } {
  const slash = path.lastIndexOf('/');
  return { folder: slash < 0 ? '' : path.slice(0, slash), name: path.slice(slash + 1) };
}

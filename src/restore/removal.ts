import { type ByteString, displayText, EverfullError } from '../base/mod.ts';
import {
  close,
  DirectoryReader,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_RDONLY,
  open,
  S_IFDIR,
  StatBuffer,
  unlinkAt,
} from '../os/mod.ts';
import { failureOf } from './failure.ts';
import type { Select } from './options.ts';
import type { Tally } from './tally.ts';

const FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

export interface RemovalOptions {
  readonly select: Select;
  readonly dryRun: boolean;
  readonly tally: Tally;
  /** Names, below the target, that are never removed. */
  readonly isProtected: (place: ByteString) => boolean;
}

/** Removes what the image does not have: never by following a symlink, never what is mounted, never what is not selected. */
export class Removal {
  readonly #options: RemovalOptions;
  readonly #stat = new StatBuffer();
  readonly #reader = new DirectoryReader();

  constructor(options: RemovalOptions) {
    this.#options = options;
  }

  /** The names in an open folder, which must not be a handle only. */
  names(fd: number): readonly ByteString[] {
    return this.#reader.read(fd).names;
  }

  /**
   * Removes `name` from the folder `dirfd`, with all that is below it. What cannot be removed is named,
   * and stays with the folders that lead to it. Whether all of it is gone.
   *
   * @param path where it would be in the image
   * @param place where it is below the target
   */
  remove(dirfd: number, name: ByteString, path: ByteString, place: ByteString): boolean {
    try {
      this.#stat.fd(dirfd);
      return this.#remove(dirfd, name, path, place, [this.#stat.deviceMajor, this.#stat.deviceMinor]);
    } catch (error) {
      const { code, reason } = failureOf(0, error);
      this.#options.tally.problem(
        path,
        'delete',
        new EverfullError(code, `Could not remove "${displayText(path)}": ${reason}`),
      );
      return false;
    }
  }

  #remove(
    dirfd: number,
    name: ByteString,
    path: ByteString,
    place: ByteString,
    device: readonly [number, number],
  ): boolean {
    const { select, dryRun, tally, isProtected } = this.#options;
    const stat = this.#stat;
    if (isProtected(place) || !stat.at(dirfd, name)) return false;
    const isFolder = stat.type === S_IFDIR;
    const { selected } = select(path, isFolder);
    if (isFolder) {
      if (stat.deviceMajor !== device[0] || stat.deviceMinor !== device[1]) {
        throw new EverfullError('target', `something is mounted at "${displayText(place)}"`);
      }
      const fd = open(dirfd, name, FLAGS);
      let isEmpty = true;
      try {
        for (const child of this.names(fd))
          isEmpty = this.#remove(fd, child, `${path}/${child}`, `${place}/${child}`, device) && isEmpty;
      } finally {
        close(fd);
      }
      if (!isEmpty) return false;
    }
    if (!selected) return false;
    if (!dryRun) unlinkAt(dirfd, name, { directory: isFolder });
    tally.deleted(path);
    return true;
  }
}

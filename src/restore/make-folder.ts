import { type ByteString, displayText, EverfullError, errnoOf } from '../base/mod.ts';
import {
  close,
  fchmod,
  fchmodAt,
  fchown,
  getInodeFlags,
  mkdirAt,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_RDONLY,
  open,
  RESTORABLE_FLAGS,
  removeXattr,
  S_IFDIR,
  StatBuffer,
  setInodeFlags,
  xattrsOfFd,
} from '../os/mod.ts';
import { type Identity, unlock } from './attributes.ts';
import type { OverwritePolicy } from './options.ts';
import { splitPlace, type TargetFolders } from './target-folders.ts';
import { clearAway } from './workbench.ts';

const FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

export interface FolderMakerOptions {
  readonly identity: Identity;
  readonly overwrite: OverwritePolicy;
  readonly dryRun: boolean;
}

/** Makes folders ready to take entries. Their attributes come at the very end. */
export class FolderMaker {
  readonly #folders: TargetFolders;
  readonly #options: FolderMakerOptions;
  readonly #stat = new StatBuffer();

  constructor(folders: TargetFolders, options: FolderMakerOptions) {
    this.#folders = folders;
    this.#options = options;
  }

  /**
   * Makes sure that the folder `path` below the target is there. True if it was not, and so is empty:
   * made with mode 0700, passing nothing on to what is made in it. A file in its place gives way.
   */
  ensure(path: ByteString): boolean {
    if (path === '') return false;
    const { folder } = splitPlace(path);
    try {
      this.#folders.open(folder);
    } catch (error) {
      if (!isNoFolder(error)) throw error;
      // From the top, since paths may have more components than a stack has room for.
      for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1))
        this.#ensureIn(path.slice(0, end));
    }
    return this.#ensureIn(path);
  }

  #ensureIn(path: ByteString): boolean {
    const { folder, name } = splitPlace(path);
    if (this.#options.dryRun) return this.#isMissing(path);
    const dirfd = this.#folders.open(folder);
    try {
      mkdirAt(dirfd, name, 0o700);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      if (this.#isFolder(dirfd, name)) {
        this.#loosen(dirfd, name);
        return false;
      }
      this.#clear(dirfd, name);
      mkdirAt(dirfd, name, 0o700);
    }
    const fd = open(dirfd, name, FLAGS);
    this.#strip(fd);
    this.#folders.keep(path, fd);
    return true;
  }

  #isMissing(path: ByteString): boolean {
    try {
      this.#folders.open(path);
      return false;
    } catch (error) {
      if (!isNoFolder(error)) throw error;
      return true;
    }
  }

  #isFolder(dirfd: number, name: ByteString): boolean {
    return this.#stat.at(dirfd, name) && this.#stat.type === S_IFDIR;
  }

  /** Removes what is no folder: a symlink itself, never what it leads to. */
  #clear(dirfd: number, name: ByteString): void {
    if (this.#options.overwrite === 'never') {
      throw new EverfullError(
        'target',
        `"${displayText(name)}" is there and no folder, and nothing is to be overwritten`,
      );
    }
    clearAway(dirfd, name);
  }

  /** Takes from a new folder what it inherited: group, ACLs, inode flags. */
  #strip(fd: number): void {
    const { uid, gid } = this.#options.identity;
    this.#stat.fd(fd);
    if (this.#stat.gid !== gid || this.#stat.uid !== uid) fchown(fd, uid, gid);
    for (const { name } of xattrsOfFd(fd)) if (name.startsWith('system.posix_acl_')) removeXattr(fd, name);
    if (this.#stat.mode !== 0o700) fchmod(fd, 0o700);
    if (getInodeFlags(fd) & RESTORABLE_FLAGS) setInodeFlags(fd, 0);
  }

  /** Makes it possible to change what is in a folder of our own. */
  #loosen(dirfd: number, name: ByteString): void {
    if (this.#options.identity.uid === this.#stat.uid && this.#options.identity.uid !== 0) {
      if ((this.#stat.mode & 0o700) !== 0o700) fchmodAt(dirfd, name, this.#stat.mode | 0o700);
    } else if (this.#options.identity.uid === 0) {
      const fd = open(dirfd, name, FLAGS);
      try {
        unlock(fd);
      } finally {
        close(fd);
      }
    }
  }
}

/** Whether `error` says that there is no folder at a path: nothing, or something else. */
export function isNoFolder(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'ELOOP', 'EBADF'].includes(errnoOf(error) ?? '');
}

import { type ByteString, equalBytes, errnoOf } from '../base/mod.ts';
import { ENTRY_ANCESTOR, type Entry, EntryType, type ExtendedAttribute } from '../format/mod.ts';
import {
  fchmod,
  fchmodAt,
  fchown,
  fchownAt,
  futimens,
  getInodeFlags,
  InodeFlag,
  RESTORABLE_FLAGS,
  removeXattr,
  removeXattrAt,
  type StatBuffer,
  setInodeFlags,
  setXattr,
  setXattrAt,
  utimensAt,
  xattrsAt,
  xattrsOfFd,
} from '../os/mod.ts';

/** Who the restore runs as. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
}

/** What could not be set. */
export interface MetadataTally {
  /** By kind: refused for want of rights, or for want of the file system's support. */
  readonly refused: Record<string, number>;
  /** Failures of other kinds, each with what it met. */
  readonly problems: { readonly index: number; readonly reason: string }[];
}

const SET_USER_ID = 0o4000;
const SET_GROUP_ID = 0o2000;
/** While they are set, nothing else can be. */
export const LOCKS = InodeFlag.IMMUTABLE | InodeFlag.APPEND;
/** Of no effect unless the file is empty. */
const EARLY_FLAGS = InodeFlag.NOCOW;
const REFUSALS = ['EPERM', 'EACCES', 'EOPNOTSUPP', 'ENOTSUP', 'ENOTTY', 'ENOSYS', 'EROFS'];

/** How to reach an inode: by descriptor, or, for what cannot be opened, by its name in a folder. */
interface Access {
  chown(uid: number, gid: number): void;
  chmod(mode: number): void;
  times(seconds: number, nanoseconds: number): void;
  xattrs(): readonly ExtendedAttribute[];
  setXattr(xattr: { name: ByteString; value: Buffer }): void;
  removeXattr(name: ByteString): void;
}

function byDescriptor(fd: number): Access {
  return {
    chown: (uid, gid) => fchown(fd, uid, gid),
    chmod: (mode) => fchmod(fd, mode),
    times: (seconds, nanoseconds) => futimens(fd, seconds, nanoseconds),
    xattrs: () => xattrsOfFd(fd),
    setXattr: (xattr) => setXattr(fd, xattr),
    removeXattr: (name) => removeXattr(fd, name),
  };
}

function byName(dirfd: number, name: ByteString): Access {
  return {
    chown: (uid, gid) => fchownAt(dirfd, name, uid, gid),
    chmod: (mode) => fchmodAt(dirfd, name, mode),
    times: (seconds, nanoseconds) => utimensAt(dirfd, name, seconds, nanoseconds),
    xattrs: () => xattrsAt(dirfd, name),
    setXattr: (xattr) => setXattrAt(dirfd, name, xattr),
    removeXattr: (xattrName) => removeXattrAt(dirfd, name, xattrName),
  };
}

/**
 * Gives inodes the attributes of their entries: owner, extended attributes and ACLs, mode, times, and
 * inode flags, in this order. A change of owner drops set-user-ID bits and capabilities; an ACL changes
 * the mode; every change but that of flags may be refused once the flags are set.
 *
 * A user gets what a user may; what is refused is counted by kind.
 */
export class Attributes {
  readonly #identity: Identity;
  /** Changes of owner that were refused: they are not tried again and again. */
  readonly #refusedOwners = new Set<string>();
  #tally: MetadataTally = { refused: {}, problems: [] };
  #index = 0;

  constructor(identity: Identity) {
    this.#identity = identity;
  }

  /** What was refused since the last time. */
  takeTally(): MetadataTally {
    const tally = this.#tally;
    this.#tally = { refused: {}, problems: [] };
    return tally;
  }

  /** A file that was just made, with mode 0600, in a folder that passes nothing on: only what differs from that is set. */
  setNew(fd: number, entry: Entry, index: number): void {
    this.#index = index;
    const access = byDescriptor(fd);
    const { uid, gid } = this.#owner(access, this.#identity.uid, this.#identity.gid, entry);
    for (const xattr of entry.xattrs) this.#setXattr(access, xattr);
    const mode = this.#mode(entry, uid, gid);
    if (mode !== 0o600 || entry.xattrs.length > 0) this.#attempt('mode', () => access.chmod(mode));
    this.#times(access, entry);
  }

  /** An open file or folder of which `stat` tells what it is like. Flags are left to {@link setFlags}. Whether anything differed. */
  setChanges(fd: number, stat: StatBuffer, entry: Entry, index: number): boolean {
    this.#index = index;
    return this.#changes(byDescriptor(fd), stat, entry, () => unlock(fd));
  }

  /** A symlink, FIFO, socket or device. */
  setChangesAt(dirfd: number, name: ByteString, stat: StatBuffer, entry: Entry, index: number): boolean {
    this.#index = index;
    return this.#changes(byName(dirfd, name), stat, entry, () => {});
  }

  #changes(access: Access, stat: StatBuffer, entry: Entry, beforeChange: () => void): boolean {
    const xattrs = access.xattrs();
    const hasMode = entry.type !== EntryType.symlink;
    const ownerDiffers = stat.uid !== entry.uid || stat.gid !== entry.gid;
    const xattrsDiffer = !sameXattrs(
      xattrs.filter(({ name }) => isOurs(name, entry)),
      entry.xattrs,
    );
    const modeDiffers = hasMode && stat.mode !== entry.mode;
    const timesDiffer = !(entry.flags & ENTRY_ANCESTOR) && !sameTime(stat, entry);
    if (!ownerDiffers && !xattrsDiffer && !modeDiffers && !timesDiffer) return false;
    beforeChange();
    const { uid, gid } = this.#owner(access, stat.uid, stat.gid, entry);
    if (ownerDiffers || xattrsDiffer) this.#xattrs(access, entry);
    const mode = this.#mode(entry, uid, gid);
    if (hasMode && (ownerDiffers || xattrsDiffer || stat.mode !== mode))
      this.#attempt('mode', () => access.chmod(mode));
    if (timesDiffer) this.#times(access, entry);
    return true;
  }

  #times(access: Access, entry: Entry): void {
    if (entry.flags & ENTRY_ANCESTOR) return;
    this.#attempt('modification time', () => access.times(entry.mtimeSeconds, entry.mtimeNanoseconds));
  }

  /** Sets what differs of owner and group; what they are then. */
  #owner(access: Access, uid: number, gid: number, entry: Entry): Identity {
    if (uid === entry.uid && gid === entry.gid) return { uid, gid };
    if (this.#tryOwner(access, entry.uid, entry.gid)) return entry;
    if (uid !== entry.uid) this.refuse('owner');
    if (gid === entry.gid) return { uid, gid };
    if (uid !== entry.uid && this.#tryOwner(access, uid, entry.gid)) return { uid, gid: entry.gid };
    this.refuse('group');
    return { uid, gid };
  }

  #tryOwner(access: Access, uid: number, gid: number): boolean {
    const known = `${uid}:${gid}`;
    if (this.#refusedOwners.has(known)) return false;
    try {
      access.chown(uid, gid);
      return true;
    } catch (error) {
      if (errnoOf(error) !== 'EPERM') throw error;
      if (this.#identity.uid !== 0 && this.#refusedOwners.size < 1000) this.#refusedOwners.add(known);
      return false;
    }
  }

  /** The mode that is safe: nobody's rights are lent by a file that could not be given to them. */
  #mode(entry: Entry, uid: number, gid: number): number {
    let { mode } = entry;
    if (uid !== entry.uid) mode &= ~SET_USER_ID;
    if (gid !== entry.gid) mode &= ~SET_GROUP_ID;
    if (mode !== entry.mode) this.refuse('set-user-ID or set-group-ID');
    return mode;
  }

  #xattrs(access: Access, entry: Entry): void {
    const wanted = new Map(entry.xattrs.map((xattr) => [xattr.name, xattr.value]));
    for (const { name, value } of access.xattrs()) {
      const want = wanted.get(name);
      if (want === undefined) {
        if (isOurs(name, entry)) this.#attempt(kindOf(name), () => access.removeXattr(name));
      } else if (equalBytes(want, value)) {
        wanted.delete(name);
      }
    }
    for (const [name, value] of wanted) this.#setXattr(access, { name, value });
  }

  #setXattr(access: Access, { name, value }: ExtendedAttribute): void {
    this.#attempt(kindOf(name), () => access.setXattr({ name, value: Buffer.from(value) }));
  }

  /** Those flags that have to be there before the first byte is. */
  setEarlyFlags(fd: number, entry: Entry): void {
    if (entry.inodeFlags & EARLY_FLAGS) this.#flags(fd, entry.inodeFlags & EARLY_FLAGS);
  }

  /** Comes last, and after a rename: what is immutable can neither be changed nor moved. */
  setFlags(fd: number, entry: Entry, index: number): void {
    this.#index = index;
    // An inode that is to have further names gets its locks once it has them.
    this.#flags(fd, entry.linkGroup === undefined ? entry.inodeFlags : entry.inodeFlags & ~LOCKS);
  }

  /** The locks of an inode that has all its names. */
  setLocks(fd: number, entry: Entry): void {
    this.#flags(fd, entry.inodeFlags);
  }

  #flags(fd: number, flags: number): void {
    this.#attempt('inode flags', () => {
      try {
        setInodeFlags(fd, flags);
      } catch (error) {
        // A user may set all but the locks.
        if (errnoOf(error) !== 'EPERM' || (flags & LOCKS) === 0) throw error;
        this.refuse('inode flags');
        setInodeFlags(fd, flags & ~LOCKS);
      }
    });
  }

  /** Counts something that is not permitted. */
  refuse(kind: string): void {
    this.#tally.refused[kind] = (this.#tally.refused[kind] ?? 0) + 1;
  }

  #attempt(kind: string, set: () => void): void {
    try {
      set();
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      if (REFUSALS.includes(errno)) this.refuse(kind);
      else this.#tally.problems.push({ index: this.#index, reason: (error as Error).message });
    }
  }
}

/** Makes an open file or folder changeable, if flags forbid it. */
export function unlock(fd: number): void {
  const flags = getInodeFlags(fd);
  if (flags & LOCKS) setInodeFlags(fd, flags & RESTORABLE_FLAGS & ~LOCKS);
}

export function sameTime(stat: StatBuffer, entry: Entry): boolean {
  return stat.mtimeSeconds === entry.mtimeSeconds && stat.mtimeNanoseconds === entry.mtimeNanoseconds;
}

/** Whether an attribute that is there is ours to remove: security modules label files by rules of their own. */
function isOurs(name: ByteString, entry: Entry): boolean {
  return (
    name.startsWith('user.') ||
    name.startsWith('trusted.') ||
    name.startsWith('system.posix_acl_') ||
    name === 'security.capability' ||
    entry.xattrs.some((xattr) => xattr.name === name)
  );
}

function sameXattrs(found: readonly ExtendedAttribute[], wanted: readonly ExtendedAttribute[]): boolean {
  return (
    found.length === wanted.length &&
    found.every(({ name, value }, i) => name === wanted[i].name && equalBytes(value, wanted[i].value))
  );
}

/** As a user would name it. */
function kindOf(xattrName: ByteString): string {
  if (xattrName.startsWith('system.posix_acl_')) return 'ACL';
  if (xattrName === 'security.capability') return 'capabilities';
  const dot = xattrName.indexOf('.');
  return `extended attributes ${dot < 0 ? xattrName : xattrName.slice(0, dot)}.*`;
}

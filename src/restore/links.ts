import { type ByteString, EverfullError, errnoOf } from '../base/mod.ts';

import { decodeEntry } from '../format/mod.ts';
import { close, dup, linkAt, S_IFDIR, type StatBuffer } from '../os/mod.ts';

import { clearFolder, isKept } from './examine.ts';
import { FileState, type Place } from './file-list.ts';
import type { OverwritePolicy } from './options.ts';
import type { WantedFile } from './plan.ts';
import type { TargetFolders } from './target-folders.ts';
import { INODE_FIELDS } from './tasks.ts';
import { clearAway, removeFile } from './workbench.ts';

/** The member of a group of hard links that is restored by its content, and then linked. */
interface Leader {
  readonly place: Place;
  /** What identifies its inode; undefined until it is restored, and if it could not be. */
  inode: readonly number[] | undefined;
}

/**
 * Hard links. The first member of a group, in key order, that is restored becomes the leader; the others
 * are linked to it at the end. A group takes about 200 bytes here.
 */
export class LinkGroups {
  readonly #leaders = new Map<ByteString, Leader>();
  /** Leaders whose flags forbid further links: those come after them. */
  readonly locked: WantedFile[] = [];

  /** Whether an entry is restored by its content: it is in no group, or the first of one. */
  isLeader(file: WantedFile): boolean {
    const { linkGroup, place } = file;
    if (linkGroup === undefined) return true;
    const leader = this.#leaders.get(linkGroup);
    if (leader === undefined) {
      this.#leaders.set(linkGroup, { place, inode: undefined });
      if (file.isLocked) this.locked.push(file);
      return true;
    }
    return leader.place.folder === place.folder && leader.place.name === place.name;
  }

  /** Whether a leader is there now, restored or found right. */
  isRestored({ linkGroup }: WantedFile): boolean {
    return this.#leaders.get(linkGroup!)?.inode !== undefined;
  }

  /** Takes in which inodes leaders became. */
  note(inodes: readonly number[], groupOf: (index: number) => ByteString | undefined): void {
    for (let at = 0; at < inodes.length; at += INODE_FIELDS) {
      const group = groupOf(inodes[at]);
      const leader = group === undefined ? undefined : this.#leaders.get(group);
      if (leader !== undefined) leader.inode = inodes.slice(at + 1, at + INODE_FIELDS);
    }
  }

  /**
   * Gives the leader's inode the name `place`. `missing` if it did not have it, `right` if it did, `kept`
   * where the policy leaves alone what is there, `blocked` by a folder that is not empty, and `failed`
   * when it cannot be linked: the leader was not restored or is no longer there, or the file system has
   * reasons of its own. Then the member is to be restored by its content.
   */
  link(
    { linkGroup, place, value }: WantedFile,
    {
      folders,
      stat,
      overwrite,
      dryRun,
    }: { folders: TargetFolders; stat: StatBuffer; overwrite: OverwritePolicy; dryRun: boolean },
  ): FileState {
    const leader = this.#leaders.get(linkGroup!);
    if (leader?.inode === undefined) return FileState.failed;
    // Held, since opening the one folder may close the other.
    const leaderFolder = dup(folders.open(leader.place.folder));
    try {
      const dirfd = folders.open(place.folder);
      if (stat.at(dirfd, place.name)) {
        if (isInode(stat, leader.inode)) return FileState.right;
        if (isKept(overwrite, stat, decodeEntry(value))) return FileState.kept;
        if (stat.type === S_IFDIR) {
          if (clearFolder(dirfd, place.name, dryRun) === FileState.blocked) return FileState.blocked;
        } else if (!dryRun) {
          clearAway(dirfd, place.name);
        }
      }
      if (dryRun) return FileState.missing;
      if (!stat.at(leaderFolder, leader.place.name) || !isInode(stat, leader.inode)) return FileState.failed;
      try {
        linkAt(leaderFolder, leader.place.name, dirfd, place.name);
      } catch (error) {
        if (!['EPERM', 'EMLINK', 'EXDEV', 'EOPNOTSUPP'].includes(errnoOf(error) ?? '')) throw error;
        return FileState.failed;
      }
      if (stat.at(dirfd, place.name) && isInode(stat, leader.inode)) return FileState.missing;
      removeFile(dirfd, place.name);
      throw new EverfullError('target', 'another file took the place of the one to be linked');
    } finally {
      close(leaderFolder);
    }
  }
}

function isInode(stat: StatBuffer, [low, high, major, minor]: readonly number[]): boolean {
  return (
    stat.inodeLow === low &&
    stat.inodeHigh === high &&
    stat.deviceMajor === major &&
    stat.deviceMinor === minor
  );
}

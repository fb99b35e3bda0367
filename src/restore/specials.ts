import { type ByteString, errnoOf } from '../base/mod.ts';
import { type Entry, EntryType } from '../format/mod.ts';
import { mknodAt, readlinkAt, S_IFDIR, type StatBuffer, symlinkAt } from '../os/mod.ts';
import { clearFolder, FILE_TYPES, isKept } from './examine.ts';
import { type Failure, failureOf } from './failure.ts';
import { FileState, filesOf, type ListedFile } from './file-list.ts';
import type { ExamineResult, SpecialsTask } from './tasks.ts';
import { clearAway, type Workbench } from './workbench.ts';

/** Makes symlinks, FIFOs, sockets and devices. States: `missing` for what was made. */
export function makeSpecials(task: SpecialsTask, bench: Workbench): ExamineResult {
  const states = new Uint8Array(task.files.count);
  const failures: Failure[] = [];
  const inodes: number[] = [];
  const start = performance.now();
  for (const file of filesOf(task.files)) {
    try {
      states[file.index] = makeSpecial(file, bench, inodes);
    } catch (error) {
      states[file.index] = FileState.failed;
      failures.push(failureOf(file.index, error));
    }
  }
  bench.times.write += performance.now() - start;
  return { ...bench.report(failures, inodes), states };
}

function makeSpecial(file: ListedFile, bench: Workbench, inodes: number[]): FileState {
  const { entry, name } = file;
  const { stat, setup } = bench;
  const dirfd = bench.folders.open(file.folder);
  let state: FileState = FileState.missing;
  if (stat.at(dirfd, name)) {
    if (isKept(setup.overwrite, stat, entry)) return FileState.kept;
    if (isSame(dirfd, name, stat, entry)) {
      state = FileState.right;
    } else if (stat.type === S_IFDIR) {
      const cleared = clearFolder(dirfd, name, setup.dryRun);
      if (cleared === FileState.blocked) return cleared;
    } else if (!setup.dryRun) {
      clearAway(dirfd, name);
    }
  }
  if (setup.dryRun) return state;
  if (state === FileState.missing) {
    try {
      make(dirfd, name, entry);
    } catch (error) {
      const isDevice = entry.type === EntryType.characterDevice || entry.type === EntryType.blockDevice;
      if (setup.uid === 0 || !isDevice || errnoOf(error) !== 'EPERM') throw error;
      bench.attributes.refuse('devices');
      return FileState.kept;
    }
  }
  if (!stat.at(dirfd, name))
    throw Object.assign(new Error('it vanished while it was restored'), { code: 'ENOENT' });
  bench.attributes.setChangesAt(dirfd, name, stat, entry, file.index);
  if (entry.linkGroup !== undefined)
    inodes.push(file.index, stat.inodeLow, stat.inodeHigh, stat.deviceMajor, stat.deviceMinor);
  return state;
}

function isSame(dirfd: number, name: ByteString, stat: StatBuffer, entry: Entry): boolean {
  if (stat.type !== FILE_TYPES[entry.type]) return false;
  if (entry.type === EntryType.symlink) return readlinkAt(dirfd, name) === entry.target;
  return stat.rdevMajor === entry.deviceMajor && stat.rdevMinor === entry.deviceMinor;
}

function make(dirfd: number, name: ByteString, entry: Entry): void {
  if (entry.type === EntryType.symlink) symlinkAt(entry.target!, dirfd, name);
  else
    mknodAt(dirfd, name, FILE_TYPES[entry.type] | 0o600, {
      major: entry.deviceMajor,
      minor: entry.deviceMinor,
    });
}

import { type ByteString, errnoOf } from '../base/mod.ts';
import { entrySize } from '../format/mod.ts';
import {
  close,
  ftruncate,
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_RDWR,
  open,
  type StatBuffer,
  write,
} from '../os/mod.ts';
import { type Failure, failureOf } from './failure.ts';
import { FileState, filesOf, type ListedFile, PIECE_FIELDS } from './file-list.ts';
import type { FilesTask, TaskReport } from './tasks.ts';
import { Chunks, removeFile, temporaryName, type Workbench } from './workbench.ts';

/** Makes files whose chunks all came with the task. Each is whole under its name, or not there. */
export function writeFiles(task: FilesTask, bench: Workbench): TaskReport {
  const chunks = new Chunks(task.loaded, bench);
  const failures: Failure[] = [];
  const inodes: number[] = [];
  for (const file of filesOf(task.files)) {
    try {
      writeFile(file, chunks, bench, inodes);
    } catch (error) {
      failures.push(failureOf(file.index, error));
    }
  }
  chunks.close();
  return bench.report(failures, inodes);
}

function writeFile(file: ListedFile, chunks: Chunks, bench: Workbench, inodes: number[]): void {
  const { entry, pieces, state } = file;
  // Before the file is made: most damage is found here and leaves no trace.
  if (pieces.length > 0) chunks.slice(pieces[0], pieces[1], pieces[2]);
  const start = performance.now();
  const decoded = bench.times.decode;
  const dirfd = bench.folders.open(file.folder);
  const isReplacement = state === FileState.replace;
  const name = isReplacement ? temporaryName(file.name) : file.name;
  const fd = createFile(dirfd, name, isReplacement);
  try {
    bench.attributes.setEarlyFlags(fd, entry);
    let end = 0;
    for (let at = 0; at < pieces.length; at += PIECE_FIELDS) {
      const bytes = chunks.slice(pieces[at], pieces[at + 1], pieces[at + 2]);
      write(fd, bytes, 0, bytes.length, pieces[at + 3]);
      end = pieces[at + 3] + bytes.length;
    }
    const size = entrySize(entry);
    if (end < size) ftruncate(fd, size);
    bench.times.write += performance.now() - start - (bench.times.decode - decoded);
    bench.timed('set', () => {
      if (state === FileState.fresh) {
        bench.attributes.setNew(fd, entry, file.index);
      } else {
        bench.stat.fd(fd);
        bench.attributes.setChanges(fd, bench.stat, entry, file.index);
      }
      if (isReplacement) bench.moveIntoPlace(dirfd, name, file.name);
      if (entry.inodeFlags !== 0 || state !== FileState.fresh)
        bench.attributes.setFlags(fd, entry, file.index);
      if (entry.linkGroup !== undefined) noteInode(fd, file.index, bench.stat, inodes);
    });
  } catch (error) {
    removeFile(dirfd, name);
    throw error;
  } finally {
    close(fd);
  }
}

/** A new file that only we can read. What a killed restore left under a temporary name gives way. */
export function createFile(dirfd: number, name: ByteString, isTemporary: boolean): number {
  const flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW;
  try {
    return open(dirfd, name, flags, 0o600);
  } catch (error) {
    if (!isTemporary || errnoOf(error) !== 'EEXIST') throw error;
    removeFile(dirfd, name);
    return open(dirfd, name, flags, 0o600);
  }
}

/** For hard links: which inode file `index` became. */
export function noteInode(fd: number, index: number, stat: StatBuffer, inodes: number[]): void {
  stat.fd(fd);
  inodes.push(index, stat.inodeLow, stat.inodeHigh, stat.deviceMajor, stat.deviceMinor);
}

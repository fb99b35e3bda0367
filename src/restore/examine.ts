import { type ByteString, equalBytes, errnoOf } from '../base/mod.ts';
import { SMALL_FILE_BYTES_MAX } from '../chunk/mod.ts';
import { CHUNK_BYTES_MAX, type Content, type Entry, EntryType, entrySize } from '../format/mod.ts';
import {
  close,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  S_IFSOCK,
  type StatBuffer,
  unlinkAt,
} from '../os/mod.ts';
import { sameTime } from './attributes.ts';
import { type Failure, failureOf } from './failure.ts';
import { FileState, filesOf, type ListedFile } from './file-list.ts';
import type { OverwritePolicy } from './options.ts';
import type { ExamineResult, ExamineTask, VerifyResult, VerifyTask } from './tasks.ts';
import type { Workbench } from './workbench.ts';
import { noteInode } from './write-files.ts';

/** The `S_IF*` of each type of entry. */
export const FILE_TYPES: Readonly<Record<EntryType, number>> = {
  [EntryType.file]: S_IFREG,
  [EntryType.folder]: S_IFDIR,
  [EntryType.symlink]: S_IFLNK,
  [EntryType.fifo]: S_IFIFO,
  [EntryType.socket]: S_IFSOCK,
  [EntryType.characterDevice]: S_IFCHR,
  [EntryType.blockDevice]: S_IFBLK,
};

/** Whether the policy leaves alone what `stat` describes. */
export function isKept(policy: OverwritePolicy, stat: StatBuffer, entry: Entry): boolean {
  if (policy === 'never') return true;
  if (policy !== 'if-newer') return false;
  const seconds = entry.mtimeSeconds - stat.mtimeSeconds;
  return seconds < 0 || (seconds === 0 && entry.mtimeNanoseconds <= stat.mtimeNanoseconds);
}

/** Looks at what is there in place of files. */
export function examineFiles(task: ExamineTask, bench: Workbench): ExamineResult {
  const states = new Uint8Array(task.files.count);
  const failures: Failure[] = [];
  const inodes: number[] = [];
  for (const file of filesOf(task.files)) {
    try {
      states[file.index] = examine(file, bench, inodes);
    } catch (error) {
      states[file.index] = FileState.failed;
      failures.push(failureOf(file.index, error));
    }
  }
  return { ...bench.report(failures, inodes), states };
}

function examine(file: ListedFile, bench: Workbench, inodes: number[]): FileState {
  const { entry, name } = file;
  const { stat, setup } = bench;
  const dirfd = bench.folders.open(file.folder);
  if (!stat.at(dirfd, name)) return FileState.missing;
  if (isKept(setup.overwrite, stat, entry)) return FileState.kept;
  if (stat.type === S_IFDIR) return clearFolder(dirfd, name, setup.dryRun);
  if (stat.type !== S_IFREG) return FileState.replace;
  // Writing to it would reach its other names, wherever they are.
  if (stat.nlink > 1 && entry.linkGroup === undefined) return FileState.replace;
  const size = entrySize(entry);
  const isLong = !isInOneChunk(entry.content);
  const ifNotRight = !isLong ? FileState.replace : stat.nlink > 1 ? FileState.shared : FileState.inPlace;
  if (stat.size !== size) return ifNotRight;
  const isAssumed = setup.overwrite === 'if-changed' && sameTime(stat, entry);
  if (!isAssumed && isLong) return ifNotRight;
  const fd = bench.openToRead(dirfd, name);
  try {
    if (!isAssumed && !hasContent(fd, entry, bench)) return ifNotRight;
    if (setup.dryRun) return FileState.right;
    bench.timed('set', () => {
      bench.stat.fd(fd);
      bench.attributes.setChanges(fd, bench.stat, entry, file.index);
      bench.attributes.setFlags(fd, entry, file.index);
      if (entry.linkGroup !== undefined) noteInode(fd, file.index, stat, inodes);
    });
    return FileState.right;
  } finally {
    close(fd);
  }
}

/** An empty folder gives way to what is to be in its place. */
export function clearFolder(dirfd: number, name: ByteString, dryRun: boolean): FileState {
  if (dryRun) return FileState.replace;
  try {
    unlinkAt(dirfd, name, { directory: true });
    return FileState.missing;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOTEMPTY' || errno === 'EEXIST') return FileState.blocked;
    throw error;
  }
}

/** Whether the content is nothing, or one slice of one chunk. */

export function isInOneChunk(content: Content | undefined): boolean {
  if (content === undefined || 'root' in content) return false;
  return (
    content.pieces.length === 0 || (content.pieces.length === 1 && content.pieces[0].chunk !== undefined)
  );
}

/** Whether a file has the content, in one chunk, of its entry: by its fingerprint, or by the id of a chunk that it fills. */
function hasContent(fd: number, entry: Entry, bench: Workbench): boolean {
  const size = entrySize(entry);
  if (size === 0) return true;
  if (size > CHUNK_BYTES_MAX) return false;
  const bytes = bench.read(fd, 0, size);
  if (bytes.length < size) return false;
  if (size < SMALL_FILE_BYTES_MAX && equalBytes(bench.secrets.fileFingerprint(bytes), entry.fingerprint!))
    return true;
  const { pieces } = entry.content as { pieces: readonly { chunk: Uint8Array; offset: number }[] };
  return pieces[0].offset === 0 && equalBytes(bench.secrets.chunkId(bytes), pieces[0].chunk);
}

/** Reads files back that are in one chunk. What does not match at once is left to a comparison with the chunk itself. */
export function verifyFiles(task: VerifyTask, bench: Workbench): VerifyResult {
  const states = new Uint8Array(task.files.count);
  const failures: Failure[] = [];
  for (const file of filesOf(task.files)) {
    try {
      const { stat } = bench;
      const dirfd = bench.folders.open(file.folder);
      const fd = bench.openToRead(dirfd, file.name);
      try {
        if (stat.size !== entrySize(file.entry)) states[file.index] = FileState.replace;
        else
          states[file.index] =
            isInOneChunk(file.entry.content) && hasContent(fd, file.entry, bench)
              ? FileState.right
              : FileState.inPlace;
      } finally {
        close(fd);
      }
    } catch (error) {
      states[file.index] = FileState.failed;
      failures.push(failureOf(file.index, error));
    }
  }
  return { ...bench.report(failures), states };
}

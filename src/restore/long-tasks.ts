import { type ByteString, equalBytes, errnoOf } from '../base/mod.ts';
import { CHUNK_BYTES_MAX } from '../format/mod.ts';
import { close, ftruncate, punchHole, renameAt, seekData, seekHole, write } from '../os/mod.ts';
import { type Failure, failureOf } from './failure.ts';
import { FileState, filesOf, type ListedFile, PIECE_FIELDS } from './file-list.ts';
import type {
  BeginResult,
  BeginTask,
  CompareResult,
  CompareTask,
  FinishTask,
  SlicesResult,
  SlicesTask,
  TaskReport,
} from './tasks.ts';
import { Chunks, removeFile, temporaryName, type Workbench } from './workbench.ts';
import { createFile, noteInode } from './write-files.ts';

const ID_BYTES = 32;
const NAME_BYTES_MAX = 255;
const PARTIAL = '.partial';

function only(list: Parameters<typeof filesOf>[0]): ListedFile {
  for (const file of filesOf(list)) return file;
  throw new Error('a task for a long file has none');
}

/** Makes a long file, all of it a hole; or readies the one that is there. */
export function beginLong(task: BeginTask, bench: Workbench): BeginResult {
  const file = only(task.file);
  const dirfd = bench.folders.open(file.folder);
  let { state } = file;
  if (state === FileState.inPlace) {
    try {
      const fd = bench.openToWrite(dirfd, file.name);
      try {
        const isOtherLength = bench.stat.size !== task.length;
        if (isOtherLength) ftruncate(fd, task.length);
        return { ...bench.report(), state, name: file.name, modified: isOtherLength };
      } finally {
        close(fd);
      }
    } catch (error) {
      // A running program cannot be written to, but replaced.
      if (errnoOf(error) !== 'ETXTBSY') throw error;
      state = FileState.replace;
    }
  }
  const name = state === FileState.replace ? temporaryName(file.name) : file.name;
  const fd = createFile(dirfd, name, state === FileState.replace);
  try {
    bench.attributes.setEarlyFlags(fd, file.entry);
    ftruncate(fd, task.length);
  } catch (error) {
    removeFile(dirfd, name);
    throw error;
  } finally {
    close(fd);
  }
  return { ...bench.report(), state, name, modified: true };
}

export function comparePieces(task: CompareTask, bench: Workbench): CompareResult {
  const dirfd = bench.folders.open(task.folder);
  const count = task.pieces.length / 3;
  const right = new Uint8Array(count);
  let modified = false;
  const fd = task.makeHoles ? bench.openToWrite(dirfd, task.name) : bench.openToRead(dirfd, task.name);
  try {
    for (let i = 0; i < count; i++) {
      const [position, length, isHole] = task.pieces.subarray(i * 3, i * 3 + 3);
      if (isHole === 1) {
        if (task.makeHoles) modified = makeHole(fd, position, length, bench) || modified;
        right[i] = task.makeHoles || isZero(fd, position, length, bench) ? 1 : 0;
        continue;
      }
      const bytes = bench.read(fd, position, length);
      const id = task.ids.subarray(i * ID_BYTES, i * ID_BYTES + ID_BYTES);
      right[i] = bytes.length === length && equalBytes(bench.secrets.chunkId(bytes), id) ? 1 : 0;
    }
  } finally {
    close(fd);
  }
  return { ...bench.report(), right, modified };
}

/** The runs of data, as the file system knows them, within a range of a file. */
function* dataRuns(fd: number, position: number, length: number): Generator<{ from: number; to: number }> {
  const end = position + length;
  for (let from = seekData(fd, position); from >= 0 && from < end; ) {
    const to = Math.min(end, seekHole(fd, from));
    if (to <= from) return;
    yield { from, to };
    from = seekData(fd, to);
  }
}

/** Shorter runs of zeros may be blocks that lie in a hole in part: they are as good as a hole. */
const ZEROS_WORTH_IT = 64 * 1024;

/** Makes a range of a file a hole. Whether anything had to be changed. */
function makeHole(fd: number, position: number, length: number, bench: Workbench): boolean {
  let modified = false;
  for (const { from, to } of [...dataRuns(fd, position, length)]) {
    if (to - from < ZEROS_WORTH_IT && isZero(fd, from, to - from, bench)) continue;
    modified = true;
    try {
      punchHole(fd, from, to - from);
    } catch (error) {
      if (!['EOPNOTSUPP', 'ENOTSUP', 'ENOSYS'].includes(errnoOf(error) ?? '')) throw error;
      bench.buffer.fill(0);
      for (let at = from; at < to; at += CHUNK_BYTES_MAX)
        write(fd, bench.buffer, 0, Math.min(CHUNK_BYTES_MAX, to - at), at);
    }
  }
  return modified;
}

function isZero(fd: number, position: number, length: number, bench: Workbench): boolean {
  for (const { from, to } of dataRuns(fd, position, length)) {
    for (let at = from; at < to; at += CHUNK_BYTES_MAX) {
      const bytes = bench.read(fd, at, Math.min(CHUNK_BYTES_MAX, to - at));
      if (bytes.some((byte) => byte !== 0)) return false;
    }
  }
  return true;
}

export function writeSlices(task: SlicesTask, bench: Workbench): SlicesResult {
  const chunks = new Chunks(task.loaded, bench);
  const { slices } = task;
  const dirfd = bench.folders.open(task.folder);
  const failures: Failure[] = [];
  const differing: number[] = [];
  let bytesWritten = 0;
  const fd = task.onlyCompare ? bench.openToRead(dirfd, task.name) : bench.openToWrite(dirfd, task.name);
  try {
    for (let i = 0; i * PIECE_FIELDS < slices.length; i++) {
      const [frame, offset, length, position] = slices.subarray(i * PIECE_FIELDS, (i + 1) * PIECE_FIELDS);
      try {
        const bytes = chunks.slice(frame, offset, length);
        bench.timed('write', () => {
          if (task.compareFirst && bench.read(fd, position, length).equals(bytes)) return;
          differing.push(i);
          if (task.onlyCompare) return;
          write(fd, bytes, 0, length, position);
          bytesWritten += length;
        });
      } catch (error) {
        failures.push(failureOf(i, error));
      }
    }
  } finally {
    close(fd);
  }
  chunks.close();
  return { ...bench.report(failures), differing, bytesWritten };
}

export function finishLong(task: FinishTask, bench: Workbench): TaskReport {
  const file = only(task.file);
  const { entry } = file;
  const dirfd = bench.folders.open(file.folder);
  if (task.outcome === 'discard') {
    removeFile(dirfd, task.name);
    return bench.report();
  }
  const inodes: number[] = [];
  const fd =
    task.outcome === 'partial' ? bench.openToWrite(dirfd, task.name) : bench.openToRead(dirfd, task.name);
  try {
    for (let i = 0; i < task.lost.length; i += 2) makeHole(fd, task.lost[i], task.lost[i + 1], bench);
    bench.timed('set', () => {
      bench.stat.fd(fd);
      bench.attributes.setChanges(fd, bench.stat, entry, 0);
      if (task.outcome === 'partial') {
        renameAt(dirfd, task.name, dirfd, partialName(file.name));
        return;
      }
      if (task.name !== file.name) bench.moveIntoPlace(dirfd, task.name, file.name);
      bench.attributes.setFlags(fd, entry, 0);
      if (entry.linkGroup !== undefined) noteInode(fd, 0, bench.stat, inodes);
    });
  } finally {
    close(fd);
  }
  return bench.report([], inodes);
}

/** NAME.partial, with as much of NAME as a file system takes. */
export function partialName(name: ByteString): ByteString {
  return name.slice(0, NAME_BYTES_MAX - PARTIAL.length) + PARTIAL;
}

import { type ByteString, errnoOf } from '../base/mod.ts';
import type { DomainSecrets } from '../crypto/mod.ts';
import {
  close,
  getInodeFlags,
  openFile,
  RESTORABLE_FLAGS,
  reachPath,
  read,
  S_IFREG,
  type StatBuffer,
  xattrsOfFd,
} from '../os/mod.ts';
import {
  type FileAttributes,
  type ReadFailure,
  type ReadResult,
  ReadStatus,
  type ReadTask,
  STAT_FIELDS,
  StatField,
} from './tasks.ts';

/** Writes the fields of `stat` that tell whether a file was written into `out` from `at` on. */
export function writeStat(stat: StatBuffer, out: Float64Array, at: number): void {
  out[at + StatField.size] = stat.size;
  out[at + StatField.mtimeSeconds] = stat.mtimeSeconds;
  out[at + StatField.mtimeNanoseconds] = stat.mtimeNanoseconds;
  out[at + StatField.ctimeSeconds] = stat.ctimeSeconds;
  out[at + StatField.ctimeNanoseconds] = stat.ctimeNanoseconds;
  out[at + StatField.inode] = stat.inode;
  out[at + StatField.deviceMajor] = stat.deviceMajor;
  out[at + StatField.deviceMinor] = stat.deviceMinor;
}

export function sameStat(a: Float64Array, aAt: number, b: Float64Array, bAt: number): boolean {
  for (let i = 0; i < STAT_FIELDS; i++) if (a[aAt + i] !== b[bAt + i]) return false;
  return true;
}

/** Gathers what only an open file tells. */
export class AttributeCollector {
  readonly inodeFlags: Uint32Array;
  readonly xattrs: { index: number; xattrs: ReturnType<typeof xattrsOfFd> }[] = [];

  constructor(count: number) {
    this.inodeFlags = new Uint32Array(count);
  }

  collect(fd: number, index: number): void {
    this.inodeFlags[index] = getInodeFlags(fd) & RESTORABLE_FLAGS;
    const xattrs = xattrsOfFd(fd);
    if (xattrs.length > 0) this.xattrs.push({ index, xattrs });
  }

  done(): FileAttributes {
    return this;
  }
}

export function failureOf(index: number, error: unknown): ReadFailure {
  const errno = errnoOf(error);
  if (errno === undefined) throw error;
  return { index, errno, message: (error as Error).message };
}

/** A regular file of any path length; anything else that took its place is refused as ESTALE. */
export function openRegular(path: ByteString, stat: StatBuffer): number {
  const fd = reachPath(path, openFile);
  try {
    stat.fd(fd);
    if (stat.type !== S_IFREG)
      throw Object.assign(new Error('it is no longer a regular file'), { code: 'ESTALE' });
  } catch (error) {
    close(fd);
    throw error;
  }
  return fd;
}

/**
 * Reads each file whole into its place: stat by the walk, read, stat. Where the two differ the caller
 * decides whether to try once more with the new one. About 12 µs a file besides the copying.
 */
export function readFiles(
  task: ReadTask,
  slabs: readonly Uint8Array[],
  secrets: DomainSecrets,
  stat: StatBuffer,
): ReadResult {
  const paths = task.paths.split('\0');
  const count = task.places.length;
  const slab = slabs[task.slab];
  const status = new Uint8Array(count);
  const stats = new Float64Array(count * STAT_FIELDS);
  const lengths = new Uint32Array(count);
  const fingerprints = new Uint8Array(count * 32);
  const attributes = new AttributeCollector(count);
  const failures: ReadFailure[] = [];
  for (let index = 0; index < count; index++) {
    const place = task.places[index];
    const room = (index + 1 < count ? task.places[index + 1] : task.end) - place;
    try {
      const fd = reachPath(paths[index], openFile);
      try {
        let length = 0;
        for (let got = 1; got > 0 && length < room; length += got)
          got = read(fd, slab, place + length, room - length, length);
        attributes.collect(fd, index);
        stat.fd(fd);
        lengths[index] = length;
        writeStat(stat, stats, index * STAT_FIELDS);
        if (stat.type !== S_IFREG)
          throw Object.assign(new Error('it is no longer a regular file'), { code: 'ESTALE' });
        const isWhole =
          length === stat.size && sameStat(task.stats, index * STAT_FIELDS, stats, index * STAT_FIELDS);
        status[index] = isWhole ? ReadStatus.whole : ReadStatus.changed;
      } finally {
        close(fd);
      }
      fingerprints.set(secrets.fileFingerprint(slab.subarray(place, place + lengths[index])), index * 32);
    } catch (error) {
      status[index] = ReadStatus.failed;
      failures.push(failureOf(index, error));
    }
  }
  return { status, stats, lengths, fingerprints, attributes: attributes.done(), failures };
}

import type { FileHandle } from 'node:fs/promises';
import { posix } from 'node:path';
import type { ByteString } from '../src/base/mod.ts';
import type { FileStatus, FileSystemCalls, FileSystemReads } from '../src/store/mod.ts';
import type { Dice } from './dice.ts';
import { type Disk, DiskFile, DiskFolder, type DiskNode, errno } from './disk.ts';
import type { Faults } from './faults.ts';
import type { Scheduler, SimulatedProcess } from './scheduler.ts';

/** Where the store of the simulation stands on its disk. */
export const STORE_ROOT: ByteString = '/store';

const DEVICE = 1n;
/** Not every look at a file needs a step of its own: the moments just before and after are there anyway. */
const LOOK_IS_STEP = 0.25;

export interface DiskPorts {
  readonly calls: FileSystemCalls;
  readonly reads: FileSystemReads;
}

/** The calls of `process` to `disk`, each a step of `scheduler`, at which faults may strike. */
export function portsOf(
  disk: Disk,
  process: SimulatedProcess,
  scheduler: Scheduler,
  faults: Faults,
  dice: Dice,
): DiskPorts {
  const fail = (code: string, path: ByteString, syscall: string): never => {
    process.wasFaulted = true;
    scheduler.note(`${process.name}: ${code} of ${syscall} ${path}`);
    throw errno(code, path, syscall);
  };
  const step = (syscall: string, path: ByteString) => scheduler.step(process, `${syscall} ${shown(path)}`);
  const mustBeWritable = (path: ByteString, syscall: string) => {
    if (disk.isShutDown) fail('EROFS', path, syscall);
  };
  const mayFail = (path: ByteString, syscall: string) => {
    if (faults.strikes('callFails')) fail('EIO', path, syscall);
  };
  const change = async (syscall: string, path: ByteString, effect: () => void) => {
    await step(syscall, path);
    mustBeWritable(path, syscall);
    mayFail(path, syscall);
    effect();
    if (faults.strikes('callFailsLate')) fail('EIO', path, syscall);
  };
  const sync = async (node: DiskNode, path: ByteString, effect: () => void) => {
    await step('fsync', path);
    mustBeWritable(path, 'fsync');
    if (faults.strikes('syncFails')) {
      disk.drop(node);
      fail('EIO', path, 'fsync');
    }
    effect();
  };
  const mayBeFull = (path: ByteString, syscall: string) => {
    if (faults.strikes('diskFull')) fail('ENOSPC', path, syscall);
  };

  const calls: FileSystemCalls = {
    async create(path) {
      await step('create', path);
      mustBeWritable(path, 'open');
      mayBeFull(path, 'open');
      return handleOf(disk.create(path, process.clock.now()));
    },
    async write(handle, parts, path) {
      await step('write', path);
      mustBeWritable(path, 'write');
      mayFail(path, 'write');
      const bytes = Buffer.concat(parts);
      const isShort = bytes.length > 1 && faults.strikes('shortWrite');
      const taken = isShort ? bytes.subarray(0, dice.between(1, bytes.length - 1)) : bytes;
      mayBeFull(path, 'write');
      disk.append(fileOf(handle), taken);
      return taken.length;
    },
    sync: (handle, path) => sync(fileOf(handle), path, () => disk.sync(fileOf(handle))),
    link: (from, to) => change('link', to, () => disk.link(from, to)),
    renameNoReplace: (from, to) =>
      change('rename', to, () => {
        disk.link(from, to);
        disk.unlink(from);
      }),
    rename: (from, to) => change('rename', to, () => disk.rename(from, to)),
    unlink: (path) => change('unlink', path, () => disk.unlink(path)),
    makeFolder: (path) =>
      change('mkdir', path, () => {
        disk.makeFolder(path);
      }),
    async syncFolder(path) {
      const folder = disk.folder(path);
      await sync(folder, path, () => disk.syncFolder(folder));
    },
  };

  const look = async (syscall: string, path: ByteString) => {
    if (dice.chance(LOOK_IS_STEP)) await step(syscall, path);
  };
  const reads: FileSystemReads = {
    realPath: async (path) => path,
    async status(path) {
      await look('stat', path);
      return statusOf(disk.find(path));
    },
    async open(path) {
      await step('open', path);
      const file = disk.file(path);
      mayFail(path, 'open');
      return handleOf(file, async () => {
        await look('read', path);
        mayFail(path, 'read');
      });
    },
    async *entries(path) {
      await step('readdir', path);
      const folder = disk.folder(path);
      mayFail(path, 'readdir');
      // What is there all the time comes; what comes or goes meanwhile may come or not.
      const before = [...folder.names];
      for (const [name, node] of before) {
        await look('readdir', path);
        if (folder.names.has(name) || dice.chance(0.5)) yield { name, isFolder: node instanceof DiskFolder };
      }
      const known = new Set(before.map(([name]) => name));
      for (const [name, node] of [...folder.names])
        if (!known.has(name) && dice.chance(0.5)) yield { name, isFolder: node instanceof DiskFolder };
    },
  };
  return { calls, reads };
}

/** A path as the trace tells it. */
function shown(path: ByteString): string {
  return posix.relative(STORE_ROOT, path).replace(/[0-9a-f]{12,}/g, (hex) => `${hex.slice(0, 6)}…`);
}

function statusOf(node: DiskNode): FileStatus {
  const isFile = node instanceof DiskFile;
  return {
    dev: DEVICE,
    ino: BigInt(node.number),
    size: BigInt(isFile ? node.data.length : 0),
    mtimeMs: BigInt(isFile ? node.modified : 0),
    isFile: () => isFile,
  };
}

const FILES = new WeakMap<FileHandle, DiskFile>();

function fileOf(handle: FileHandle): DiskFile {
  return FILES.get(handle)!;
}

/** As much of Node's open file as the folder store uses. */
function handleOf(file: DiskFile, beforeRead: () => Promise<void> = async () => {}): FileHandle {
  const handle = {
    stat: async () => ({ size: file.data.length, isFile: () => true }),
    async read(target: Buffer, at: number, length: number, position: number) {
      await beforeRead();
      return {
        bytesRead: file.data.copy(target, at, position, Math.min(position + length, file.data.length)),
      };
    },
    close: async () => {},
  } as unknown as FileHandle;
  FILES.set(handle, file);
  return handle;
}

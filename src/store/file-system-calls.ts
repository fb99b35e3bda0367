import { constants } from 'node:fs';
import { type FileHandle, link, mkdir, open, rename, unlink } from 'node:fs/promises';
import { type ByteString, bytesOf, errnoOf } from '../base/mod.ts';
import { writeDirectly } from './direct-write.ts';
import { renameNoReplace } from './rename-no-replace.ts';

/**
 * Every call with which a folder store changes a file system, one method a kind, so that tests can
 * number them all and kill or fail the process at any of them. Failures carry `code` as Node's do.
 */
export interface FileSystemCalls {
  /** Makes and opens a file that must not exist, mode 0600. */
  create(path: ByteString): Promise<FileHandle>;
  /** Appends; resolves to the bytes written, which may be fewer than given. */
  write(handle: FileHandle, parts: readonly Uint8Array[], path: ByteString): Promise<number>;
  sync(handle: FileHandle, path: ByteString): Promise<void>;
  /** Fails with EEXIST when `to` exists. */
  link(from: ByteString, to: ByteString): Promise<void>;
  /** Fails with EEXIST when `to` exists. */
  renameNoReplace(from: ByteString, to: ByteString): Promise<void>;
  /** Replaces `to`. */
  rename(from: ByteString, to: ByteString): Promise<void>;
  unlink(path: ByteString): Promise<void>;
  /** Mode 0700. Fails with EEXIST. */
  makeFolder(path: ByteString): Promise<void>;
  /** Makes the names in the folder durable. */
  syncFolder(path: ByteString): Promise<void>;
}

export type FileSystemCallKind = keyof FileSystemCalls;

export const systemCalls: FileSystemCalls = {
  create: (path) => {
    const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
    return open(bytesOf(path), O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o600);
  },
  write: async (handle, parts) =>
    (await writeDirectly(handle, parts[0])) ?? (await handle.writev(parts as Uint8Array[])).bytesWritten,
  sync: (handle) => handle.sync(),
  link: (from, to) => link(bytesOf(from), bytesOf(to)),
  renameNoReplace,
  rename: (from, to) => rename(bytesOf(from), bytesOf(to)),
  unlink: (path) => unlink(bytesOf(path)),
  makeFolder: async (path) => void (await mkdir(bytesOf(path), 0o700)),
  async syncFolder(path) {
    const handle = await open(bytesOf(path), constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await handle.sync();
    } catch (error) {
      // How a file system says that it has no fsync for folders; there, names are durable by other means.
      if (errnoOf(error) !== 'EINVAL') throw error;
    } finally {
      await handle.close();
    }
  },
};

export interface CallObserver {
  /**
   * Told before the `number`-th call (counted from 1, over all kinds) on `path` (the new one of two).
   * What it throws is how the call fails, without effect.
   */
  onCall(number: number, kind: FileSystemCallKind, path: ByteString): void | Promise<void>;
}

/** `base` with an observer before each call: for tests that break things on purpose. */
export function countingCalls(base: FileSystemCalls, { onCall }: CallObserver): FileSystemCalls {
  let count = 0;
  const before = async (kind: FileSystemCallKind, path: ByteString) => {
    count += 1;
    await onCall(count, kind, path);
  };
  const onOne = <T>(
    kind: 'create' | 'unlink' | 'makeFolder' | 'syncFolder',
    call: (path: string) => Promise<T>,
  ) => {
    return async (path: ByteString) => {
      await before(kind, path);
      return call(path);
    };
  };
  const onTwo = (kind: 'link' | 'rename' | 'renameNoReplace') => async (from: ByteString, to: ByteString) => {
    await before(kind, to);
    await base[kind](from, to);
  };
  return {
    create: onOne('create', base.create),
    unlink: onOne('unlink', base.unlink),
    makeFolder: onOne('makeFolder', base.makeFolder),
    syncFolder: onOne('syncFolder', base.syncFolder),
    link: onTwo('link'),
    rename: onTwo('rename'),
    renameNoReplace: onTwo('renameNoReplace'),
    async write(handle, parts, path) {
      await before('write', path);
      return base.write(handle, parts, path);
    },
    async sync(handle, path) {
      await before('sync', path);
      await base.sync(handle, path);
    },
  };
}

import { randomUUID } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { posix } from 'node:path';
import {
  type ByteString,
  bufferOf,
  type Clock,
  displayText,
  EverfullError,
  errnoOf,
  systemClock,
} from '../base/mod.ts';
import { DurableFolders, makeFolderAndAbove } from './durable-folders.ts';
import { writeDurably } from './durable-write.ts';
import { type FileSystemCalls, systemCalls } from './file-system-calls.ts';
import { type FileStatus, type FileSystemReads, systemReads } from './file-system-reads.ts';
import { folderError } from './folder-errors.ts';
import { listFolder } from './folder-listing.ts';
import {
  checkObjectName,
  checkPrefix,
  folderOf,
  type GetOptions,
  type ListedObject,
  type ListOptions,
  type ObjectStore,
  objectExists,
  objectMissing,
  rangeToRead,
  TEMPORARY,
  tooShort,
} from './store.ts';

export interface FolderStoreOptions {
  /** Make the folder, and the folders above it, where they are missing. */
  readonly create?: boolean;
  readonly calls?: FileSystemCalls;
  readonly reads?: FileSystemReads;
  readonly clock?: Clock;
}

/** Temporary files carry it, so that cleaning removes nothing of anyone else's. */
const TEMPORARY_PREFIX = 'everfull-';
/** No put takes that long; a writer whose file is removed all the same fails, and loses nothing. */
const LEFTOVER_AGE_MS = 24 * 60 * 60 * 1000;
/** One read call takes no more than 2 GiB. */
const READ_LENGTH_MAX = 1 << 30;
/** How a file system says that it has no hard links. */
const NO_HARD_LINKS = ['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'EMLINK'];

/**
 * Opens the folder `path` as a store. Rejects with 'object-missing' when it does not exist and
 * `create` is not set, 'io' when it is no folder or access is refused.
 */
export async function openFolderStore(
  path: ByteString,
  options: FolderStoreOptions = {},
): Promise<FolderStore> {
  const { create = false, calls = systemCalls, reads = systemReads, clock = systemClock } = options;
  const shown = displayText(path);
  try {
    if (create) await makeFolderAndAbove(path, calls);
    const root = await reads.realPath(path);
    const { dev, ino } = await reads.status(`${root}/.`);
    const store = new FolderStore(root, { dev, ino }, calls, reads);
    await store.removeLeftovers(clock.now() - LEFTOVER_AGE_MS);
    return store;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw folderError(`open the folder "${shown}"`, error);
    throw new EverfullError('object-missing', `cannot open the folder "${shown}": it does not exist`, {
      context: { path: shown },
      advice: 'Check the path, and that its disk is mounted.',
      cause: error,
    });
  }
}

/**
 * Objects as files of a folder, each at the path that is its name.
 *
 * What must hold, whatever call fails and wherever the process dies:
 * 1. A file under its final name is complete and on disk: it is written and fsynced under another name
 *    in `tmp/`, then linked (or renamed, where there are no hard links) without replacing.
 * 2. A put resolves only after the folder that holds the new name was fsynced, and so was, once in this
 *    process, every folder above it. The second matters even for folders found in place: who made them
 *    may have died before its own fsync.
 * 3. No fsync is repeated, since after a failure the kernel forgets what it could not write and the
 *    next fsync succeeds. A file that failed is thrown away. A folder that failed takes no more puts
 *    from this store, and none of its objects is called gone.
 * 4. ENOENT means 'object-missing' only while the folder that was opened is still in its place.
 */
export class FolderStore implements ObjectStore {
  readonly location: string;
  /** The folder's real path. */
  readonly root: ByteString;
  readonly #identity: { readonly dev: bigint; readonly ino: bigint };
  readonly #calls: FileSystemCalls;
  readonly #reads: FileSystemReads;
  readonly #folders: DurableFolders;

  constructor(
    root: ByteString,
    identity: { dev: bigint; ino: bigint },
    calls: FileSystemCalls,
    reads: FileSystemReads,
  ) {
    this.root = root;
    this.location = displayText(root);
    this.#identity = identity;
    this.#calls = calls;
    this.#reads = reads;
    this.#folders = new DurableFolders(root, calls, () => this.#checkRoot());
  }

  async putIfAbsent(name: string, parts: readonly Uint8Array[]): Promise<void> {
    await this.#write(name, parts, async (temporary, path) => {
      try {
        await this.#calls.link(temporary, path);
      } catch (error) {
        if (NO_HARD_LINKS.includes(errnoOf(error) ?? '')) return this.#calls.renameNoReplace(temporary, path);
        // On NFS the answer to a link that succeeded can get lost, and its repetition finds the link.
        if (errnoOf(error) !== 'EEXIST' || !(await this.#isSameFile(temporary, path))) throw error;
      }
      await this.#discard(temporary);
    });
  }

  async replace(name: string, parts: readonly Uint8Array[]): Promise<void> {
    await this.#write(name, parts, (temporary, path) => this.#calls.rename(temporary, path));
  }

  async get(name: string, options: GetOptions = {}): Promise<Uint8Array> {
    checkObjectName(name);
    const handle = await this.#open(name);
    try {
      const status = await handle.stat();
      this.#checkIsFile(name, status);
      const { offset, length } = rangeToRead(name, status.size, options);
      const { memory } = options;
      const fits = memory !== undefined && memory.length >= length;
      const bytes = fits ? bufferOf(memory).subarray(0, length) : Buffer.allocUnsafeSlow(length);
      for (let filled = 0; filled < length; ) {
        const wanted = Math.min(length - filled, READ_LENGTH_MAX);
        const { bytesRead } = await handle.read(bytes, filled, wanted, offset + filled);
        if (bytesRead === 0) throw tooShort(name, offset + length, offset + filled);
        filled += bytesRead;
      }
      return bytes;
    } catch (error) {
      throw folderError(this.#action('read', name), error);
    } finally {
      await handle.close();
    }
  }

  async size(name: string): Promise<number> {
    checkObjectName(name);
    try {
      const status = await this.#reads.status(this.#path(name));
      this.#checkIsFile(name, status);
      return Number(status.size);
    } catch (error) {
      throw await this.#readError(name, error);
    }
  }

  async *list(prefix: string, { sizes = true }: ListOptions = {}): AsyncIterable<ListedObject> {
    checkPrefix(prefix);
    try {
      yield* listFolder(this.#reads, this.root, folderOf(prefix), { prefix, sizes });
    } catch (error) {
      throw folderError(`list the objects "${prefix}…" in "${this.location}"`, error);
    }
    await this.#checkRoot();
  }

  async delete(name: string): Promise<void> {
    checkObjectName(name);
    try {
      await this.#calls.unlink(this.#path(name));
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw folderError(this.#action('delete', name), error);
      await this.#checkRoot();
    }
  }

  async deleteDurably(names: readonly string[]): Promise<void> {
    names.forEach(checkObjectName);
    for (const name of names) await this.delete(name);
    // Of objects that were gone already, too: who deleted them may have died before its fsync.
    for (const folder of new Set(names.map(folderOf))) {
      if (await this.#hasFolder(folder)) await this.#folders.sync(folder);
    }
  }

  async close(): Promise<void> {}

  /** Removes temporary files last written before `time` (milliseconds since 1970): their writers are dead. */
  async removeLeftovers(time: number): Promise<void> {
    try {
      for await (const { name } of this.#reads.entries(this.#path(TEMPORARY))) {
        const path = this.#path(`${TEMPORARY}/${name}`);
        if (!name.startsWith(TEMPORARY_PREFIX) || (await this.#reads.status(path)).mtimeMs >= time) continue;
        await this.#calls.unlink(path);
      }
    } catch (error) {
      // They take room and do no harm: a repository that may only be read stays usable.
      if (!['ENOENT', 'EACCES', 'EPERM', 'EROFS'].includes(errnoOf(error) ?? '')) throw error;
    }
  }

  async #write(
    name: string,
    parts: readonly Uint8Array[],
    publish: (temporary: ByteString, path: ByteString) => Promise<void>,
  ): Promise<void> {
    checkObjectName(name);
    const folder = folderOf(name);
    const temporary = this.#path(`${TEMPORARY}/${TEMPORARY_PREFIX}${randomUUID()}`);
    try {
      await this.#folders.make(TEMPORARY);
      await this.#folders.make(folder);
      try {
        await writeDurably(this.#calls, temporary, parts);
        await publish(temporary, this.#path(name));
      } catch (error) {
        await this.#discard(temporary);
        if (errnoOf(error) !== 'EEXIST') throw error;
        await this.#folders.sync(folder);
        throw objectExists(name, this.location);
      }
      await this.#folders.sync(folder);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') await this.#checkRoot();
      throw folderError(this.#action('put', name), error);
    }
  }

  async #isSameFile(path: ByteString, other: ByteString): Promise<boolean> {
    try {
      const [a, b] = await Promise.all([path, other].map((each) => this.#reads.status(each)));
      return a?.dev === b?.dev && a?.ino === b?.ino;
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      // It was there, and somebody deleted it since.
      return false;
    }
  }

  /** Removes a temporary file. That it may stay behind is no failure of the put: see `removeLeftovers`. */
  async #discard(temporary: ByteString): Promise<void> {
    await this.#calls.unlink(temporary).catch(() => {});
  }

  async #open(name: string): Promise<FileHandle> {
    try {
      return await this.#reads.open(this.#path(name));
    } catch (error) {
      throw await this.#readError(name, error);
    }
  }

  async #readError(name: string, error: unknown): Promise<EverfullError> {
    if (errnoOf(error) !== 'ENOENT') return folderError(this.#action('read', name), error);
    await this.#checkRoot();
    return objectMissing(name, this.location);
  }

  #checkIsFile(name: string, status: Pick<FileStatus, 'isFile'>): void {
    if (status.isFile()) return;
    throw new EverfullError('io', `cannot ${this.#action('read', name)}: it is not a regular file`, {
      context: { name },
    });
  }

  async #hasFolder(folder: string): Promise<boolean> {
    try {
      await this.#reads.status(this.#path(folder));
      return true;
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') {
        throw folderError(`look at the folder "${folder}" in "${this.location}"`, error);
      }
      await this.#checkRoot();
      return false;
    }
  }

  /** Throws 'io' when the folder that was opened is no longer in its place. */
  async #checkRoot(): Promise<void> {
    const now = await this.#reads.status(this.root).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw folderError(`look at the folder "${this.location}"`, error);
    });
    if (now?.dev === this.#identity.dev && now.ino === this.#identity.ino) return;
    const state = now === undefined ? 'it is gone' : 'another folder is in its place';
    throw new EverfullError('io', `cannot use the folder "${this.location}": ${state}`, {
      context: { path: this.location },
      advice: 'Check that its disk is still mounted, and repeat.',
    });
  }

  #path(name: string): ByteString {
    return posix.join(this.root, name);
  }

  #action(verb: string, name: string): string {
    return `${verb} object "${name}" in "${this.location}"`;
  }
}

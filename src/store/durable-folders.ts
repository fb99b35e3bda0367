import { posix } from 'node:path';
import { type ByteString, displayText, type EverfullError, errnoOf } from '../base/mod.ts';
import type { FileSystemCalls } from './file-system-calls.ts';
import { folderError } from './folder-errors.ts';
import { folderOf } from './store.ts';

/** The folders below `root`, named by their paths in the store: which of them exist durably, and which failed. */
export class DurableFolders {
  readonly #root: ByteString;
  readonly #calls: FileSystemCalls;
  readonly #checkRoot: () => Promise<void>;
  readonly #made = new Map<string, Promise<void>>();
  readonly #failed = new Map<string, EverfullError>();

  /** `checkRoot` rejects when `root` is not the folder that it was; asked before a folder is made. */
  constructor(root: ByteString, calls: FileSystemCalls, checkRoot: () => Promise<void>) {
    this.#root = root;
    this.#calls = calls;
    this.#checkRoot = checkRoot;
  }

  /**
   * Makes `folder` and those above it where they are missing, and all of their names durable. Folders
   * found in place are fsynced too, once: who made them may have died before its own fsync.
   */
  async make(folder: string): Promise<void> {
    this.#checkSound(folder);
    let made = this.#made.get(folder);
    if (made === undefined) {
      made = this.#makeOnce(folder);
      this.#made.set(folder, made);
      made.catch(() => this.#made.delete(folder));
    }
    await made;
  }

  /**
   * Makes the names in `folder` durable. Once that failed, it fails for ever: the kernel forgets what it
   * could not write, and the next fsync would succeed without having written it.
   */
  async sync(folder: string): Promise<void> {
    this.#checkSound(folder);
    const path = posix.join(this.#root, folder);
    try {
      await this.#calls.syncFolder(path);
    } catch (error) {
      const failure = folderError(`make the names in "${displayText(path)}" durable`, error);
      if (!failure.context.transient) this.#failed.set(folder, failure);
      throw failure;
    }
  }

  #checkSound(folder: string): void {
    const failure = this.#failed.get(folder);
    if (failure !== undefined) throw failure;
  }

  async #makeOnce(folder: string): Promise<void> {
    if (folder === '') return;
    const above = folderOf(folder);
    await this.make(above);
    await this.#checkRoot();
    try {
      await this.#calls.makeFolder(posix.join(this.#root, folder));
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
    await this.sync(above);
  }
}

/** Makes the folder `path` durably, and those above it that are missing; that it exists is fine. */
export async function makeFolderAndAbove(path: ByteString, calls: FileSystemCalls): Promise<void> {
  const above = posix.dirname(path);
  try {
    await calls.makeFolder(path);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return;
    if (errnoOf(error) !== 'ENOENT' || above === path) throw error;
    await makeFolderAndAbove(above, calls);
    return makeFolderAndAbove(path, calls);
  }
  await calls.syncFolder(above);
}

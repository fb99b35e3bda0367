import { posix } from 'node:path';
import { type ByteString, errnoOf } from '../base/mod.ts';
import type { FileSystemReads } from './file-system-reads.ts';
import { isObjectName, type ListedObject } from './store.ts';

/** Bounds both the memory of a listing and its share of the thread pool. */
const STATUS_AT_ONCE = 32;

/**
 * The objects in `folder` of the store at `root`, and in the folders below it, whose names begin with
 * `prefix`. A folder that does not exist holds none. Only regular files with an object's name are
 * objects. Rejects with the error of the call that failed.
 */
export async function* listFolder(
  reads: FileSystemReads,
  root: ByteString,
  folder: string,
  options: { readonly prefix: string; readonly sizes: boolean },
): AsyncGenerator<ListedObject, void> {
  const { prefix, sizes } = options;
  let batch: string[] = [];
  for await (const entry of entriesIfAny(reads, posix.join(root, folder))) {
    const name = posix.join(folder, entry.name);
    if (!name.startsWith(prefix) || !isObjectName(name)) continue;
    if (entry.isFolder) {
      yield* listFolder(reads, root, name, options);
      continue;
    }
    if (!sizes && entry.isFile) {
      yield { name, size: 0 };
      continue;
    }
    batch.push(name);
    if (batch.length < STATUS_AT_ONCE) continue;
    yield* await filesOf(reads, root, batch);
    batch = [];
  }
  yield* await filesOf(reads, root, batch);
}

async function* entriesIfAny(reads: FileSystemReads, folder: ByteString) {
  try {
    yield* reads.entries(folder);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

/** Those of `names` that are still there and regular files. */
async function filesOf(
  reads: FileSystemReads,
  root: ByteString,
  names: readonly string[],
): Promise<ListedObject[]> {
  const found = names.map(async (name): Promise<ListedObject[]> => {
    try {
      const status = await reads.status(posix.join(root, name));
      return status.isFile() ? [{ name, size: Number(status.size) }] : [];
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  });
  return (await Promise.all(found)).flat();
}

import type { Dir } from 'node:fs';
import { lstat, opendir } from 'node:fs/promises';
import { posix } from 'node:path';
import { type ByteString, byteStringOf, bytesOf, errnoOf } from '../base/mod.ts';
import { isObjectName, type ListedObject } from './store.ts';

/** Bounds both the memory of a listing and its share of the thread pool. */
const STATUS_AT_ONCE = 32;

/**
 * The objects in `folder` of the store at `root`, and in the folders below it, whose names begin with
 * `prefix`. A folder that does not exist holds none. Only regular files with an object's name are
 * objects. Rejects with the error of the call that failed.
 */
export async function* listFolder(
  root: ByteString,
  folder: string,
  prefix: string,
): AsyncGenerator<ListedObject, void> {
  let batch: string[] = [];
  for await (const entry of entriesOf(posix.join(root, folder))) {
    const name = posix.join(folder, entry.name);
    if (!name.startsWith(prefix) || !isObjectName(name)) continue;
    if (entry.isFolder) {
      yield* listFolder(root, name, prefix);
      continue;
    }
    batch.push(name);
    if (batch.length < STATUS_AT_ONCE) continue;
    yield* await filesOf(root, batch);
    batch = [];
  }
  yield* await filesOf(root, batch);
}

/** What is in a folder, where there is one, in bounded memory. */
export async function* entriesOf(
  folder: ByteString,
): AsyncGenerator<{ name: ByteString; isFolder: boolean }, void> {
  let opened: Dir;
  try {
    // Names as Buffers, which the types do not know of: where the file system does not tell the type of
    // an entry, Node joins folder and name to ask for it, and refuses to join a Buffer and a string.
    opened = await opendir(bytesOf(folder), { encoding: 'buffer' as BufferEncoding });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  for await (const entry of opened) {
    yield { name: byteStringOf(entry.name as unknown as Buffer), isFolder: entry.isDirectory() };
  }
}

/** Those of `names` that are still there and regular files. */
async function filesOf(root: ByteString, names: readonly string[]): Promise<ListedObject[]> {
  const found = names.map(async (name): Promise<ListedObject[]> => {
    try {
      const status = await lstat(bytesOf(posix.join(root, name)));
      return status.isFile() ? [{ name, size: status.size }] : [];
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  });
  return (await Promise.all(found)).flat();
}

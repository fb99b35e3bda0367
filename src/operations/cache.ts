import { lstat, opendir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { EverfullError, errnoOf } from '../base/mod.ts';

/** What is kept on this machine for one repository. It can be made again. */
export interface CacheFolder {
  /** The repository's id, 32 hexadecimal digits: the name of the folder. */
  readonly id: string;
  readonly path: string;
  /** Bytes of the files in it. */
  readonly size: number;
  /** The newest mtime in it, ms since 1970. */
  readonly lastUsed: number;
}

/** Unused for so long, a folder counts as old. */
export const CACHE_AGE_MS = 30 * 24 * 60 * 60 * 1000;

/** The folders of all repositories, last used first. */
export async function listCaches(root: string): Promise<CacheFolder[]> {
  const caches: CacheFolder[] = [];
  for await (const { name, isFolder } of entriesOf(root)) {
    if (!isFolder || !/^[0-9a-f]{32}$/.test(name)) continue;
    const path = join(root, name);
    caches.push({ id: name, path, ...(await extentOf(path)) });
  }
  return caches.sort((a, b) => b.lastUsed - a.lastUsed);
}

/** Removes the folder of the repository whose id begins with `id`. Rejects with 'usage' where that is none or several. */
export async function removeCache(root: string, id: string): Promise<CacheFolder> {
  const matches = (await listCaches(root)).filter(
    (cache) => id !== '' && cache.id.startsWith(id.toLowerCase()),
  );
  const [cache] = matches;
  if (cache === undefined || matches.length > 1) {
    throw new EverfullError(
      'usage',
      `Could not remove the cache "${id}": ${matches.length} folders of "${root}" have such an id`,
      {
        advice: 'See the ids with: everfull cache',
      },
    );
  }
  await rm(cache.path, { recursive: true });
  return cache;
}

/** Removes the folders that were not used since `before` (ms since 1970). */
export async function cleanCaches(root: string, before: number): Promise<CacheFolder[]> {
  const old = (await listCaches(root)).filter((cache) => cache.lastUsed < before);
  for (const { path } of old) await rm(path, { recursive: true });
  return old;
}

async function extentOf(folder: string): Promise<{ size: number; lastUsed: number }> {
  let size = 0;
  let lastUsed = 0;
  const path = await lstatIfThere(folder);
  if (path !== undefined) lastUsed = path.mtimeMs;
  for await (const { name, isFolder } of entriesOf(folder)) {
    const below = join(folder, name);
    if (isFolder) {
      const inner = await extentOf(below);
      size += inner.size;
      lastUsed = Math.max(lastUsed, inner.lastUsed);
      continue;
    }
    const file = await lstatIfThere(below);
    if (file === undefined) continue;
    size += file.size;
    lastUsed = Math.max(lastUsed, file.mtimeMs);
  }
  return { size, lastUsed };
}

/** Files come and go while another process works. */
async function lstatIfThere(path: string): Promise<{ size: number; mtimeMs: number } | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function* entriesOf(folder: string): AsyncGenerator<{ name: string; isFolder: boolean }> {
  try {
    for await (const entry of await opendir(folder))
      yield { name: entry.name, isFolder: entry.isDirectory() };
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

import { mkdirSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { EverfullError, errnoOf } from '../base/mod.ts';
import type { Catalog } from './catalog.ts';
import { KeptFile, type KeptState } from './kept-file.ts';
import { lockCatalog } from './lock.ts';
import { openCatalogDatabase, PRIVATE } from './schema.ts';
import { SqliteCatalog } from './sqlite-catalog.ts';
import { asOperatingError, isSqliteError } from './sqlite-error.ts';

/** Longer than anybody should hold a catalog: it takes seconds to build one. */
const LOCK_WAIT_MS = 60_000;

export interface CatalogOptions {
  readonly signal: AbortSignal;
  /** Told, as a sentence, why the kept catalog was not used as it was. */
  notice(message: string): void;
  readonly lockWaitMs?: number;
}

/**
 * Lends the catalog kept in `stateFolder` to `use`, alone: others wait. With no folder, or where the kept
 * one cannot be used (the disk is full, the folder read-only, another process does not let go), a private
 * one is lent that vanishes afterwards. A kept one that is damaged or of another version is made anew.
 *
 * `use` is called again, with another catalog, if the kept one fails in the middle. Rejects with what
 * `use` rejects with, with 'interrupted', and with 'io' or 'disk-full' where not even a private one works.
 */
export async function withCatalog<T>(
  stateFolder: string | undefined,
  options: CatalogOptions,
  use: (catalog: Catalog) => Promise<T>,
): Promise<T> {
  const kept = stateFolder === undefined ? undefined : await tryKept(stateFolder, options, use);
  if (kept !== undefined) return kept.result;
  let database: DatabaseSync | undefined;
  try {
    database = openCatalogDatabase(PRIVATE);
    return await use(new SqliteCatalog(database));
  } catch (error) {
    throw asOperatingError(error);
  } finally {
    database?.close();
  }
}

/** Undefined where the kept catalog cannot be used; then the user was told. */
async function tryKept<T>(
  folder: string,
  options: CatalogOptions,
  use: (catalog: Catalog) => Promise<T>,
): Promise<{ result: T } | undefined> {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    using lock = await lockCatalog(folder, {
      signal: options.signal,
      waitMs: options.lockWaitMs ?? LOCK_WAIT_MS,
    });
    if (lock !== undefined) return { result: await useKept(new KeptFile(folder), options, use) };
    options.notice(`The catalog in ${folder} is in use by another process: a private one is built`);
  } catch (error) {
    if (options.signal.aborted)
      throw new EverfullError('interrupted', 'Could not search the catalog: interrupted', { cause: error });
    if (!isSqliteError(error) && errnoOf(error) === undefined) throw error;
    options.notice(
      `The catalog in ${folder} cannot be used (${(error as Error).message}): a private one is built`,
    );
  }
  return undefined;
}

/** Why a kept catalog is built anew, where the user may wonder. */
const REASONS: Partial<Record<KeptState, string>> = {
  damaged: 'damaged, or its last update did not end',
  'of another version': 'of another version',
};

async function useKept<T>(
  file: KeptFile,
  options: CatalogOptions,
  use: (catalog: Catalog) => Promise<T>,
): Promise<T> {
  const state = file.state();
  if (state !== 'sound') file.create();
  const reason = REASONS[state];
  if (reason !== undefined) options.notice(`The catalog ${file.path} is built anew: it was ${reason}`);
  let isWhole = false;
  const database = openCatalogDatabase(file.path);
  const catalog = new SqliteCatalog(database);
  try {
    const result = await use(catalog);
    isWhole = true;
    return result;
  } catch (error) {
    // Whatever else went wrong, what was committed before it is good.
    isWhole = !isSqliteError(error);
    throw error;
  } finally {
    database.close();
    if (!isWhole) file.remove();
    else if (catalog.changed || state !== 'sound') file.seal();
  }
}

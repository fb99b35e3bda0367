import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { isSqliteError, SqliteResult } from './sqlite-error.ts';

const RETRY_MS = 20;

/**
 * Waits until nobody else on this machine holds the catalog of `folder`, and holds it. The system lets go
 * when the process ends, however it ends. Undefined when it was not to be had for `waitMs`.
 *
 * The lock is that of SQLite on a database that stays empty, so it can neither be damaged nor left behind.
 */
export async function lockCatalog(
  folder: string,
  options: { readonly waitMs: number; readonly signal: AbortSignal },
): Promise<Disposable | undefined> {
  const database = new DatabaseSync(join(folder, 'catalog.lock'));
  try {
    for (let waited = 0; ; waited += RETRY_MS) {
      if (tryLock(database)) return { [Symbol.dispose]: () => database.close() };
      if (waited >= options.waitMs) break;
      await sleep(RETRY_MS, undefined, { signal: options.signal });
    }
    database.close();
    return undefined;
  } catch (error) {
    database.close();
    throw error;
  }
}

function tryLock(database: DatabaseSync): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if (isSqliteError(error, SqliteResult.busy)) return false;
    throw error;
  }
}

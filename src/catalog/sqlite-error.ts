import { EverfullError } from '../base/mod.ts';

/** Primary result codes of SQLite that mean something to us. */
export const SqliteResult = { busy: 5, full: 13 } as const;

/** Whether `error` comes from SQLite, with the result `code` if one is given. */
export function isSqliteError(error: unknown, code?: number): error is Error & { readonly errcode: number } {
  const { code: kind, errcode } = (error ?? {}) as { code?: unknown; errcode?: unknown };
  if (kind !== 'ERR_SQLITE_ERROR' || typeof errcode !== 'number') return false;
  // The higher bits say more precisely what the low byte says.
  return code === undefined || (errcode & 0xff) === code;
}

/** `error` as an operating error, if it comes from SQLite. */
export function asOperatingError(error: unknown): unknown {
  if (!isSqliteError(error)) return error;
  const code = isSqliteError(error, SqliteResult.full) ? 'disk-full' : 'io';
  return new EverfullError(code, `Could not search the images: ${error.message}`, {
    cause: error,
    advice: 'Check that the folder for temporary files can be written and has space.',
  });
}

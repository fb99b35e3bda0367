import { DatabaseSync } from 'node:sqlite';

/** Goes up with every change of what is stored; a catalog of another format is built anew. */
export const CATALOG_FORMAT = 1;

/** Pages kept in memory, KiB. */
const CACHE_KIB = 16 * 1024;

/**
 * Names and paths are byte strings, kept as text: each byte is one code point below 256, so nothing is
 * lost, order is that of the bytes, and the driver turns text into strings more than twice as fast as blobs.
 * A base name is stored once however many folders have it, so that a search looks at it once.
 *
 * `until` is the sequence number of the image from which on the version no longer holds; null while it does.
 */
const TABLES = `
  CREATE TABLE dataset (id INTEGER PRIMARY KEY, dataset BLOB NOT NULL UNIQUE);
  CREATE TABLE image (
    dataset INTEGER NOT NULL, sequence INTEGER NOT NULL, id BLOB NOT NULL, PRIMARY KEY (dataset, sequence)
  ) WITHOUT ROWID;
  CREATE TABLE folder (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
  CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
  CREATE TABLE version (
    id INTEGER PRIMARY KEY,
    dataset INTEGER NOT NULL, folder INTEGER NOT NULL, name INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER,
    type INTEGER NOT NULL, mode INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL, size INTEGER NOT NULL,
    mtimeSeconds INTEGER NOT NULL, mtimeNanoseconds INTEGER NOT NULL, fingerprint BLOB
  );`;

/** The start of a fingerprint is enough to find it by, and a quarter of the index that all of it would need. */
export const FINGERPRINT_BYTES_INDEXED = 4;

const INDEXES = `
  CREATE INDEX versionPlace ON version (name, folder, dataset);
  CREATE INDEX versionFingerprint ON version (substr(fingerprint, 1, ${FINGERPRINT_BYTES_INDEXED}))
    WHERE fingerprint IS NOT NULL;`;

/** Sorting once is faster than inserting in order: for the first image, half the time. */
export const DROP_INDEXES = 'DROP INDEX versionPlace; DROP INDEX versionFingerprint;';
export const CREATE_INDEXES = INDEXES;

/** What a search found, as it is kept until it was read. Keys are blobs: they hold NULs. */
const FOUND_TABLE = `
  CREATE TABLE found (
    dataset INTEGER NOT NULL, key BLOB NOT NULL, since INTEGER NOT NULL, until INTEGER,
    type INTEGER NOT NULL, mode INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL, size INTEGER NOT NULL,
    mtimeSeconds INTEGER NOT NULL, mtimeNanoseconds INTEGER NOT NULL, fingerprint BLOB,
    PRIMARY KEY (dataset, key, since)
  ) WITHOUT ROWID;`;

/** To SQLite, a private file that it removes at once and fills only when the cache in memory overflows. */
export const PRIVATE = '';

/**
 * A database of the catalog, made where there is none.
 * It is never flushed to disk: a crash leaves a file that its digest gives away.
 */
export function openCatalogDatabase(path: string): DatabaseSync {
  return openDatabase(path, TABLES + INDEXES);
}

export function openFoundDatabase(): DatabaseSync {
  return openDatabase(PRIVATE, FOUND_TABLE);
}

function openDatabase(path: string, schema: string): DatabaseSync {
  const database = new DatabaseSync(path);
  try {
    database.exec(`PRAGMA synchronous = OFF; PRAGMA cache_size = -${CACHE_KIB};`);
    const { tables } = database.prepare('SELECT count(*) AS tables FROM sqlite_schema').get()!;
    if (tables === 0) database.exec(`BEGIN; ${schema} COMMIT;`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

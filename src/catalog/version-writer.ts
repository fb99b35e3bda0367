import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { type ByteString, equalBytes } from '../base/mod.ts';
import { decodeEntry, type Entry, entrySize, type PathKey, pathOfKey } from '../format/mod.ts';
import type { IndexChange } from '../image/mod.ts';

/** Writes the versions of one image after another, inside transactions of the caller. */
export class VersionWriter {
  readonly #folders: TextIds;
  readonly #names: TextIds;
  readonly #insert: StatementSync;
  readonly #end: StatementSync;
  #prefix: ByteString | undefined;
  #folder = 0;

  constructor(database: DatabaseSync) {
    this.#folders = new TextIds(database, 'folder');
    this.#names = new TextIds(database, 'name');
    this.#insert = database.prepare(
      `INSERT INTO version (dataset, folder, name, since, type, mode, uid, gid, size, mtimeSeconds, mtimeNanoseconds, fingerprint)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#end = database.prepare(
      'UPDATE version SET until = ? WHERE dataset = ? AND folder = ? AND name = ? AND until IS NULL',
    );
  }

  /** From image `sequence` on, `key` has the state `value`, an encoded entry. */
  add(dataset: number, sequence: number, key: PathKey, value: Uint8Array): void {
    if (key !== '') this.#add(dataset, sequence, key, decodeEntry(value));
  }

  /** From image `sequence` on, a key is as `change` says. */
  change(dataset: number, sequence: number, { key, before, after }: IndexChange): void {
    if (key === '') return;
    const was = before && decodeEntry(before.value);
    const is = after && decodeEntry(after.value);
    if (was !== undefined && is !== undefined && isSameVersion(was, is)) return;
    if (was !== undefined) this.#end.run(sequence, dataset, this.#folderOf(key), this.#nameOf(key));
    if (is !== undefined) this.#add(dataset, sequence, key, is);
  }

  #add(dataset: number, sequence: number, key: PathKey, entry: Entry): void {
    const { type, mode, uid, gid, mtimeSeconds, mtimeNanoseconds, fingerprint = null } = entry;
    const place = [dataset, this.#folderOf(key), this.#nameOf(key), sequence] as const;
    this.#insert.run(
      ...place,
      type,
      mode,
      uid,
      gid,
      entrySize(entry),
      mtimeSeconds,
      mtimeNanoseconds,
      fingerprint,
    );
  }

  #nameOf(key: PathKey): number {
    return this.#names.idOf(key.slice(key.lastIndexOf('\0') + 1));
  }

  /** Keys come in order, and so the entries of one folder one after another. */
  #folderOf(key: PathKey): number {
    const prefix = key.slice(0, key.lastIndexOf('\0') + 1);
    if (prefix !== this.#prefix) {
      this.#prefix = prefix;
      this.#folder = this.#folders.idOf(pathOfKey(prefix).slice(0, -1) || '/');
    }
    return this.#folder;
  }
}

/** Whether two entries differ only in what the catalog does not hold. */
function isSameVersion(a: Entry, b: Entry): boolean {
  return (
    a.type === b.type &&
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.mtimeSeconds === b.mtimeSeconds &&
    a.mtimeNanoseconds === b.mtimeNanoseconds &&
    entrySize(a) === entrySize(b) &&
    (a.fingerprint === undefined || b.fingerprint === undefined
      ? a.fingerprint === b.fingerprint
      : equalBytes(a.fingerprint, b.fingerprint))
  );
}

/** How many texts are remembered with their numbers: some 10 MB of paths. */
const TEXTS_KEPT = 100_000;

/** The numbers of the texts in a table, which are given out as texts come. */
class TextIds {
  readonly #select: StatementSync;
  readonly #insert: StatementSync;
  readonly #known = new Map<ByteString, number>();
  /** Whether a text that is not remembered cannot be in the table: while a first image is added. */
  #knowsAll: boolean;

  constructor(database: DatabaseSync, table: 'folder' | 'name') {
    this.#select = database.prepare(`SELECT id FROM ${table} WHERE text = ?`);
    this.#insert = database.prepare(`INSERT INTO ${table} (text) VALUES (?)`);
    this.#knowsAll = database.prepare(`SELECT 1 FROM ${table} LIMIT 1`).get() === undefined;
  }

  idOf(text: ByteString): number {
    let id = this.#known.get(text);
    if (id !== undefined) return id;
    if (!this.#knowsAll) id = this.#select.get(text)?.id as number | undefined;
    id ??= Number(this.#insert.run(text).lastInsertRowid);
    if (this.#known.size >= TEXTS_KEPT) {
      this.#known.clear();
      this.#knowsAll = false;
    }
    this.#known.set(text, id);
    return id;
  }
}

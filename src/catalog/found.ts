import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { bufferOf, bytesOf, hexOf } from '../base/mod.ts';
import { type EntryType, pathKeyOf, pathOfKey } from '../format/mod.ts';
import type { CatalogEntry, CatalogImage, Found } from './catalog.ts';
import { openFoundDatabase } from './schema.ts';
import { VersionColumn, type VersionRow } from './version-row.ts';

const IN_IMAGE = 'FROM found WHERE dataset = ? AND since <= ? AND (until IS NULL OR until > ?)';

/** Versions that a search found, sorted and held in a private database that spills to disk. */
export class SqliteFound implements Found {
  readonly #database: DatabaseSync = openFoundDatabase();
  /** By the image's id: the number of its dataset. */
  readonly #datasets = new Map<string, number>();
  readonly #count: StatementSync = this.#database.prepare(`SELECT count(*) AS count ${IN_IMAGE}`);

  addImage(image: CatalogImage, dataset: number): void {
    this.#datasets.set(hexOf(image.id), dataset);
  }

  fill(versions: () => Iterable<VersionRow>): void {
    const insert = this.#database.prepare(`INSERT INTO found VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#database.exec('BEGIN');
    for (const row of versions()) {
      const folder = row[VersionColumn.folder] as string;
      const path = `${folder === '/' ? '' : folder}/${row[VersionColumn.name]}`;
      const [dataset, since, ...rest] = row.slice(VersionColumn.dataset);
      insert.run(dataset!, bytesOf(pathKeyOf(path)), since!, ...rest);
    }
    this.#database.exec('COMMIT');
  }

  async count(image: CatalogImage): Promise<number> {
    const dataset = this.#datasets.get(hexOf(image.id));
    if (dataset === undefined) return 0;
    return this.#count.get(dataset, image.sequence, image.sequence)!.count as number;
  }

  async *entries(image: CatalogImage): AsyncGenerator<CatalogEntry> {
    const dataset = this.#datasets.get(hexOf(image.id));
    if (dataset === undefined) return;
    const select = this.#database.prepare(`SELECT * ${IN_IMAGE} ORDER BY key`);
    for (const row of select.iterate(dataset, image.sequence, image.sequence)) {
      yield {
        path: pathOfKey(bufferOf(row.key as Uint8Array).toString('latin1')),
        type: row.type as EntryType,
        mode: row.mode as number,
        uid: row.uid as number,
        gid: row.gid as number,
        size: row.size as number,
        mtimeSeconds: row.mtimeSeconds as number,
        mtimeNanoseconds: row.mtimeNanoseconds as number,
        fingerprint: (row.fingerprint as Uint8Array | null) ?? undefined,
      };
    }
  }

  close(): void {
    this.#database.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

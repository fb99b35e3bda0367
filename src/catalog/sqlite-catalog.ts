import type { DatabaseSync } from 'node:sqlite';
import { EverfullError, equalBytes, hexOf, isEverfullError } from '../base/mod.ts';
import { compareIndexes, leavesInRange, type NodeSource } from '../image/mod.ts';
import type { Catalog, CatalogImage, CatalogQuery, Found, UpdateOptions } from './catalog.ts';
import { CREATE_INDEXES, DROP_INDEXES } from './schema.ts';
import { search } from './search.ts';
import { VersionWriter } from './version-writer.ts';

/** Entries between two reports and looks at the signal. */
const ENTRIES_A_REPORT = 1000;

/** A catalog in a SQLite database, which nobody else may use at the same time. */
export class SqliteCatalog implements Catalog {
  readonly #database: DatabaseSync;
  #writer: VersionWriter | undefined;
  #changed = false;

  /** @param database opened with `openCatalogDatabase` */
  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Whether anything was written. */
  get changed(): boolean {
    return this.#changed;
  }

  async update(images: readonly CatalogImage[], source: NodeSource, options: UpdateOptions): Promise<void> {
    const datasets = new Map<string, CatalogImage[]>();
    for (const image of images) {
      const name = hexOf(image.dataset);
      if (!datasets.has(name)) datasets.set(name, []);
      datasets.get(name)!.push(image);
    }
    for (const row of this.#database.prepare('SELECT id, dataset FROM dataset').all()) {
      if (!datasets.has(hexOf(row.dataset as Uint8Array)))
        this.#transaction(() => this.#dropDataset(row.id as number));
    }
    const report = reporter(options);
    for (const wanted of datasets.values()) {
      wanted.sort((a, b) => a.sequence - b.sequence);
      await this.#updateDataset(wanted, source, options, report);
    }
  }

  async #updateDataset(
    wanted: readonly CatalogImage[],
    source: NodeSource,
    options: UpdateOptions,
    report: Report,
  ): Promise<void> {
    const dataset = this.#datasetOf(wanted[0]!.dataset);
    const held = this.#imagesOf(dataset);
    const isHeld = (image: CatalogImage) => equalBytes(image.id, held.get(image.sequence) ?? NO_ID);
    const firstNew = wanted.findIndex((image) => !isHeld(image));
    const known = firstNew < 0 ? wanted : wanted.slice(0, firstNew);
    let before = known.at(-1);
    const newest = before?.sequence ?? 0;
    // What is held of later images says what differs from an image before them that will be another one.
    if (Math.max(0, ...held.keys()) > newest) this.#transaction(() => this.#cutAfter(dataset, newest));
    const stays = new Set(known.map((image) => image.sequence));
    const gone = [...held.keys()].filter((sequence) => sequence < newest && !stays.has(sequence));
    if (gone.length > 0) this.#transaction(() => this.#drop(dataset, gone));
    for (const image of wanted.slice(known.length)) {
      try {
        await this.#add(dataset, image, before, source, report);
        before = image;
      } catch (error) {
        if (!isEverfullError(error, 'damaged', 'object-missing')) throw error;
        options.unreadable(image, error);
      }
    }
  }

  async #add(
    dataset: number,
    image: CatalogImage,
    before: CatalogImage | undefined,
    source: NodeSource,
    report: Report,
  ): Promise<void> {
    if (before !== undefined) {
      try {
        await this.#transactionAsync(() => this.#addChanges(dataset, image, before, source, report));
        return;
      } catch (error) {
        // Perhaps only the image before cannot be read any more: then this one is taken by itself.
        if (!isEverfullError(error, 'damaged', 'object-missing')) throw error;
      }
    }
    await this.#transactionAsync(() => this.#addWhole(dataset, image, source, report));
  }

  async #addChanges(
    dataset: number,
    image: CatalogImage,
    before: CatalogImage,
    source: NodeSource,
    report: Report,
  ): Promise<void> {
    const writer = this.#versions();
    for await (const change of compareIndexes(source, before.root, image.root)) {
      writer.change(dataset, image.sequence, change);
      report(1);
    }
    this.#addImage(dataset, image);
  }

  async #addWhole(dataset: number, image: CatalogImage, source: NodeSource, report: Report): Promise<void> {
    const isFirst = this.#database.prepare('SELECT 1 FROM version LIMIT 1').get() === undefined;
    if (isFirst) this.#database.exec(DROP_INDEXES);
    else
      this.#database
        .prepare('UPDATE version SET until = ? WHERE dataset = ? AND until IS NULL')
        .run(image.sequence, dataset);
    const writer = this.#versions();
    for await (const items of leavesInRange(source, image.root)) {
      for (const { key, value } of items) writer.add(dataset, image.sequence, key, value);
      report(items.length);
    }
    if (isFirst) this.#database.exec(CREATE_INDEXES);
    this.#addImage(dataset, image);
  }

  #versions(): VersionWriter {
    this.#writer ??= new VersionWriter(this.#database);
    return this.#writer;
  }

  #addImage(dataset: number, image: CatalogImage): void {
    this.#database
      .prepare('INSERT INTO image (dataset, sequence, id) VALUES (?, ?, ?)')
      .run(dataset, image.sequence, image.id);
  }

  #datasetOf(dataset: Uint8Array): number {
    const row = this.#database.prepare('SELECT id FROM dataset WHERE dataset = ?').get(dataset);
    if (row !== undefined) return row.id as number;
    return this.#transaction(() =>
      Number(this.#database.prepare('INSERT INTO dataset (dataset) VALUES (?)').run(dataset).lastInsertRowid),
    );
  }

  #imagesOf(dataset: number): Map<number, Uint8Array> {
    const rows = this.#database.prepare('SELECT sequence, id FROM image WHERE dataset = ?').all(dataset);
    return new Map(rows.map(({ sequence, id }) => [sequence as number, id as Uint8Array]));
  }

  /** Takes images out, and the versions that no other image has. */
  #drop(dataset: number, sequences: readonly number[]): void {
    const drop = this.#database.prepare('DELETE FROM image WHERE dataset = ? AND sequence = ?');
    for (const sequence of sequences) drop.run(dataset, sequence);
    const covers =
      'image.dataset = version.dataset AND sequence >= since AND (until IS NULL OR sequence < until)';
    this.#database
      .prepare(`DELETE FROM version WHERE dataset = ? AND NOT EXISTS (SELECT 1 FROM image WHERE ${covers})`)
      .run(dataset);
  }

  #dropDataset(dataset: number): void {
    for (const table of ['version', 'image'])
      this.#database.prepare(`DELETE FROM ${table} WHERE dataset = ?`).run(dataset);
    this.#database.prepare('DELETE FROM dataset WHERE id = ?').run(dataset);
  }

  /** Makes a dataset what it was when image `sequence` had just been added; with 0, empty. */
  #cutAfter(dataset: number, sequence: number): void {
    this.#database.prepare('DELETE FROM image WHERE dataset = ? AND sequence > ?').run(dataset, sequence);
    this.#database.prepare('DELETE FROM version WHERE dataset = ? AND since > ?').run(dataset, sequence);
    this.#database
      .prepare('UPDATE version SET until = NULL WHERE dataset = ? AND until > ?')
      .run(dataset, sequence);
  }

  #transaction<T>(body: () => T): T {
    this.#begin();
    try {
      const result = body();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      this.#undo();
      throw error;
    }
  }

  async #transactionAsync(body: () => Promise<void>): Promise<void> {
    this.#begin();
    try {
      await body();
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#undo();
      throw error;
    }
  }

  #begin(): void {
    this.#changed = true;
    this.#database.exec('BEGIN');
  }

  /** The writer knows numbers that are taken back. Some failures end the transaction themselves. */
  #undo(): void {
    this.#writer = undefined;
    if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
  }

  async find(query: CatalogQuery): Promise<Found> {
    return search(this.#database, query);
  }
}

const NO_ID = new Uint8Array();

/** Called with how many entries were looked at since the last call. */
type Report = (entries: number) => void;

function reporter({ signal, progress }: UpdateOptions): Report {
  let total = 0;
  let next = 0;
  return (entries) => {
    total += entries;
    if (total < next) return;
    next = total + ENTRIES_A_REPORT;
    if (signal.aborted)
      throw new EverfullError('interrupted', 'Could not bring the catalog up to date: interrupted', {
        cause: signal.reason,
      });
    progress?.(total);
  };
}

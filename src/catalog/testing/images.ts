import { type ByteString, hexOf } from '../../base/mod.ts';
import { digest } from '../../crypto/mod.ts';
import { type Entry, entrySize, pathKeyOf } from '../../format/mod.ts';
import { encoded, fileEntry, folderEntry, MemoryNodes } from '../../image/testing/memory-nodes.ts';
import type { Catalog, CatalogEntry, CatalogImage, CatalogQuery, PathPattern } from '../mod.ts';

/** An image of a test, with all that it holds. */
export interface TestImage extends CatalogImage {
  readonly tree: ReadonlyMap<ByteString, Entry>;
}

/** Images whose nodes are in memory, by hand. */
export class TestImages {
  readonly nodes = new MemoryNodes();

  make(dataset: string, sequence: number, tree: ReadonlyMap<ByteString, Entry>): TestImage {
    const entries = [...tree].map(([path, entry]) => [pathKeyOf(path), encoded(entry)] as const);
    const root = this.nodes.buildIndex(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
    const id = digest(root.root, Buffer.from(`${dataset} ${sequence}`));
    return { id, dataset: Buffer.from(dataset.padEnd(16)), sequence, root, tree };
  }

  /** @param files the text of each file by path; a folder where it is undefined */
  of(dataset: string, sequence: number, files: Readonly<Record<ByteString, string | undefined>>): TestImage {
    const tree = Object.entries(files).map(
      ([path, text]) => [path, text === undefined ? folderEntry() : file(text)] as const,
    );
    return this.make(dataset, sequence, new Map(tree));
  }
}

/** A file of as many bytes as `text` has characters, in a hole. */
export function file(text: string, changes: Partial<Entry> = {}): Entry {
  const pieces = text === '' ? [] : [{ length: text.length, chunk: undefined, offset: 0 }];
  return fileEntry({ pieces }, text, changes);
}

export function fingerprintOf(text: string): string {
  return hexOf(file(text).fingerprint!);
}

/** A pattern for exactly this base name. */
export function named(name: ByteString): PathPattern {
  return { literal: name, matchesName: (text) => text === name, matchesFolder: () => true };
}

/** A pattern without an index: names that hold `part`, in folders whose paths hold `folder`. */
export function holding(part: ByteString, folder = ''): PathPattern {
  return { matchesName: (text) => text.includes(part), matchesFolder: (path) => path.includes(folder) };
}

/** Does what an update is for, and lets an unreadable image fail the test. */
export async function update(
  catalog: Catalog,
  images: readonly CatalogImage[],
  from: TestImages,
): Promise<void> {
  await catalog.update(images, from.nodes.source, {
    signal: new AbortController().signal,
    unreadable: (_, error) => {
      throw error;
    },
  });
}

/** Images that every process makes alike: a first one of 300 files, and one file more in each other. */
export function series(images: TestImages, count: number): TestImage[] {
  const files: Record<ByteString, string> = {};
  for (let i = 0; i < 300; i++) files[`/many/file ${i}`] = `${i}`;
  return Array.from({ length: count }, (_, i) => {
    files[`/new/${i}`] = 'new';
    return images.of('d', i + 1, files);
  });
}

/** The matches of each image of the query, in its order. */
export async function findAll(catalog: Catalog, query: CatalogQuery): Promise<CatalogEntry[][]> {
  await using found = await catalog.find(query);
  const all: CatalogEntry[][] = [];
  for (const image of query.images) {
    const entries: CatalogEntry[] = [];
    for await (const entry of found.entries(image)) entries.push(entry);
    if ((await found.count(image)) !== entries.length)
      throw new Error('the count is not that of the entries');
    all.push(entries);
  }
  return all;
}

export async function pathsIn(catalog: Catalog, query: CatalogQuery): Promise<ByteString[][]> {
  return (await findAll(catalog, query)).map((entries) => entries.map(({ path }) => path));
}

/** What a query must find in one image, by looking at every entry. */
export function scan(image: TestImage, query: CatalogQuery): CatalogEntry[] {
  const { patterns, fingerprint, oldest = -Infinity, newest = Infinity } = query;
  const found: CatalogEntry[] = [];
  for (const [path, entry] of [...image.tree].sort(([a], [b]) => (pathKeyOf(a) < pathKeyOf(b) ? -1 : 1))) {
    if (path === '/') continue;
    const slash = path.lastIndexOf('/');
    const [folder, name] = [path.slice(0, slash) || '/', path.slice(slash + 1)];
    const time = entry.mtimeSeconds * 1000 + entry.mtimeNanoseconds / 1e6;
    if (patterns?.some((pattern) => pattern.matchesName(name) && pattern.matchesFolder(folder)) === false)
      continue;
    if (fingerprint !== undefined && !(entry.fingerprint && hexOf(entry.fingerprint).startsWith(fingerprint)))
      continue;
    if (time < oldest || time > newest) continue;
    const { type, mode, uid, gid, mtimeSeconds, mtimeNanoseconds } = entry;
    found.push({
      path,
      type,
      mode,
      uid,
      gid,
      size: entrySize(entry),
      mtimeSeconds,
      mtimeNanoseconds,
      fingerprint: entry.fingerprint,
    });
  }
  return found;
}

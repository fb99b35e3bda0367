import type { DatabaseSync } from 'node:sqlite';
import { type ByteString, hexOf } from '../base/mod.ts';
import type { CatalogQuery, PathPattern } from './catalog.ts';
import { SqliteFound } from './found.ts';
import { FINGERPRINT_BYTES_INDEXED } from './schema.ts';
import { SELECT_VERSIONS, VersionColumn, type VersionRow } from './version-row.ts';

/** Names that are read at once. */
const NAMES_AT_ONCE = 4096;
/** Folders of which it is remembered whether a pattern matches them. */
const FOLDERS_KEPT = 100_000;

/** Images wanted, as ascending sequence numbers by dataset. */
type Wanted = ReadonlyMap<number, readonly number[]>;

/**
 * Collects the versions that match `query` and that one of its images has.
 *
 * Cost: with a fingerprint, or where each pattern allows one name only, a few index look-ups; else one
 * look at every distinct base name, and at the versions of those that match.
 */
export function search(database: DatabaseSync, query: CatalogQuery): SqliteFound {
  const found = new SqliteFound();
  try {
    const wanted = findImages(database, query, found);
    const matchesPath = query.patterns === undefined ? () => true : pathTest(query.patterns);
    found.fill(function* () {
      for (const row of candidates(database, query)) {
        const isWanted = isInAny(wanted, row) && isInTime(query, row);
        if (
          isWanted &&
          matchesPath(row[VersionColumn.folder] as ByteString, row[VersionColumn.name] as ByteString) &&
          hasFingerprint(query, row)
        )
          yield row;
      }
    });
    return found;
  } catch (error) {
    found.close();
    throw error;
  }
}

function findImages(database: DatabaseSync, { images }: CatalogQuery, found: SqliteFound): Wanted {
  const wanted = new Map<number, number[]>();
  const select = database.prepare(
    'SELECT dataset.id FROM dataset JOIN image ON image.dataset = dataset.id WHERE dataset.dataset = ? AND sequence = ? AND image.id = ?',
  );
  for (const image of images) {
    const dataset = select.get(image.dataset, image.sequence, image.id)?.id as number | undefined;
    if (dataset === undefined) continue;
    found.addImage(image, dataset);
    if (!wanted.has(dataset)) wanted.set(dataset, []);
    wanted.get(dataset)!.push(image.sequence);
  }
  for (const sequences of wanted.values()) sequences.sort((a, b) => a - b);
  return wanted;
}

function isInAny(wanted: Wanted, row: VersionRow): boolean {
  const sequences = wanted.get(row[VersionColumn.dataset] as number);
  if (sequences === undefined) return false;
  const since = row[VersionColumn.since] as number;
  let low = 0;
  let high = sequences.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sequences[middle]! < since) low = middle + 1;
    else high = middle;
  }
  const first = sequences[low];
  const until = row[VersionColumn.until] as number | null;
  return first !== undefined && (until === null || first < until);
}

function isInTime({ oldest = -Infinity, newest = Infinity }: CatalogQuery, row: VersionRow): boolean {
  const time =
    (row[VersionColumn.mtimeSeconds] as number) * 1000 +
    (row[VersionColumn.mtimeNanoseconds] as number) / 1e6;
  return oldest <= time && time <= newest;
}

function hasFingerprint({ fingerprint }: CatalogQuery, row: VersionRow): boolean {
  if (fingerprint === undefined) return true;
  const bytes = row[VersionColumn.fingerprint] as Uint8Array | null;
  return bytes !== null && hexOf(bytes).startsWith(fingerprint);
}

/** Whether any pattern matches; what a pattern says of a folder is remembered. */
function pathTest(patterns: readonly PathPattern[]): (folder: ByteString, name: ByteString) => boolean {
  const tests = patterns.map((pattern) => {
    const folders = new Map<ByteString, boolean>();
    return (folder: ByteString, name: ByteString): boolean => {
      if (!pattern.matchesName(name)) return false;
      let matches = folders.get(folder);
      if (matches === undefined) {
        matches = pattern.matchesFolder(folder);
        if (folders.size >= FOLDERS_KEPT) folders.clear();
        folders.set(folder, matches);
      }
      return matches;
    };
  });
  return (folder, name) => tests.some((test) => test(folder, name));
}

/** Versions, each once, among which are all that match. */
function* candidates(database: DatabaseSync, query: CatalogQuery): Generator<VersionRow> {
  const { fingerprint, patterns } = query;
  if (fingerprint !== undefined && fingerprint !== '') {
    const from = Buffer.from(fingerprintBound(fingerprint, '0'), 'hex');
    const to = Buffer.from(fingerprintBound(fingerprint, 'f'), 'hex');
    const indexed = `substr(fingerprint, 1, ${FINGERPRINT_BYTES_INDEXED})`;
    yield* versions(database, `WHERE fingerprint IS NOT NULL AND ${indexed} BETWEEN ? AND ?`)(from, to);
  } else if (patterns === undefined) {
    yield* versions(database, '')();
  } else {
    const ofNames = versions(database, 'WHERE version.name BETWEEN ? AND ?');
    for (const [first, last] of nameRuns(database, patterns)) yield* ofNames(first, last);
  }
}

function versions(
  database: DatabaseSync,
  where: string,
): (...values: (number | Buffer)[]) => Iterable<VersionRow> {
  const select = database.prepare(`${SELECT_VERSIONS} ${where}`);
  select.setReturnArrays(true);
  return (...values) => select.iterate(...values) as unknown as Iterable<VersionRow>;
}

/** The indexed part of the least or the greatest fingerprint that begins with `prefix`. */
function fingerprintBound(prefix: string, filler: '0' | 'f'): string {
  const digits = FINGERPRINT_BYTES_INDEXED * 2;
  return prefix.slice(0, digits).padEnd(digits, filler);
}

/** The numbers of the names that a pattern matches, as runs from the first to the last. */
function* nameRuns(
  database: DatabaseSync,
  patterns: readonly PathPattern[],
): Generator<readonly [first: number, last: number]> {
  const literals = new Set(patterns.map((pattern) => pattern.literal));
  if (!literals.has(undefined)) {
    const select = database.prepare('SELECT id FROM name WHERE text = ?');
    for (const literal of literals) {
      const id = select.get(literal!)?.id as number | undefined;
      if (id !== undefined) yield [id, id];
    }
    return;
  }
  const select = database.prepare('SELECT id, text FROM name WHERE id > ? ORDER BY id LIMIT ?');
  select.setReturnArrays(true);
  let run: [first: number, last: number] | undefined;
  for (let after = 0; ; ) {
    const names = select.all(after, NAMES_AT_ONCE) as unknown as (readonly [id: number, text: ByteString])[];
    for (const [id, text] of names) {
      if (!patterns.some((pattern) => pattern.matchesName(text))) continue;
      if (run !== undefined && run[1] === id - 1) {
        run[1] = id;
        continue;
      }
      if (run !== undefined) yield run;
      run = [id, id];
    }
    if (names.length < NAMES_AT_ONCE) break;
    after = names.at(-1)![0];
  }
  if (run !== undefined) yield run;
}

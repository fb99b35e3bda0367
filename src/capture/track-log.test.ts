import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { type ByteString, hexOf } from '../base/mod.ts';
import { noise } from '../chunk/testing/noise.ts';
import {
  type ChildRef,
  STAT_WORDS,
  TRACK_BEGINS_LEAF,
  TRACK_ENDS_LEAF,
  TRACK_PAGE_BYTES,
  TRACK_TRUSTED,
  type TrackRecord,
} from '../format/mod.ts';
import { openDescriptors } from './testing/capture-scene.ts';
import { type TrackedImage, TrackLog, TrackLogWriter } from './track-log.ts';

const IMAGE: TrackedImage = {
  repositoryId: noise(16, 1),
  dataset: noise(16, 2),
  image: noise(32, 3),
  sequence: 7,
  root: { root: noise(32, 4), level: 1, items: 9, length: 2 ** 40 },
  turnover: 3,
};

function makeFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'everfull-track-'));
  context.after(() => rmSync(folder, { recursive: true }));
  return join(folder, 'log');
}

interface Row {
  readonly key: ByteString;
  readonly value: string;
  readonly words: readonly number[];
  readonly flags: number;
  readonly leaf: string | undefined;
}

/** As many rows as `sizes`, with values of so many bytes; those of `ends` end a leaf. */
function rowsOf(sizes: readonly number[], ends: ReadonlySet<number>): Row[] {
  return sizes.map((size, i) => ({
    key: `folder\0\0${String(i).padStart(1 + (i % 9), '0')}\xff`,
    value: hexOf(noise(size, i)),
    words: Array.from({ length: STAT_WORDS }, (_, word) => (i * 2654435761 + word * 40503) >>> 0),
    flags:
      (i % 3 === 0 ? 0 : TRACK_TRUSTED) |
      (i === 0 || ends.has(i - 1) ? TRACK_BEGINS_LEAF : 0) |
      (ends.has(i) ? TRACK_ENDS_LEAF : 0),
    leaf: ends.has(i) ? `${hexOf(noise(32, i))} ${i} ${i * 2 ** 33 + 5}` : undefined,
  }));
}

function write(folder: string, rows: readonly Row[], image = IMAGE): void {
  const writer = new TrackLogWriter(folder);
  for (const [i, { key, value, words, flags, leaf }] of rows.entries()) {
    writer.add(key, Buffer.from(value, 'hex'), Uint32Array.from(words), flags & ~TRACK_ENDS_LEAF);
    if (leaf !== undefined) writer.endLeaf({ key, id: noise(32, i), items: i, length: i * 2 ** 33 + 5 });
  }
  writer.publish(image);
  assert.equal(writer.failure, undefined);
}

function textOf({ id, items, length }: ChildRef): string {
  return `${hexOf(id)} ${items} ${length}`;
}

/** Every record up to the end or to the first damage. */
function readAll(log: TrackLog): Row[] {
  const rows: Row[] = [];
  for (let record = log.next(); record !== undefined; record = log.next())
    rows.push({
      key: record.key,
      value: hexOf(record.value),
      words: [...record.statWords],
      flags: record.flags,
      leaf: record.flags & TRACK_ENDS_LEAF ? textOf(record.leaf('')) : undefined,
    });
  assert.equal(log.next(), undefined, 'the end stays the end');
  return rows;
}

function opened<T>(folder: string, use: (log: TrackLog) => T): T {
  const log = TrackLog.open(folder);
  assert.ok(log !== undefined);
  try {
    return use(log);
  } finally {
    log.close();
  }
}

/** About 16 pages of records, a leaf in every seven. */
function manyRows(): Row[] {
  return rowsOf(
    Array.from({ length: 1400 }, (_, i) => (i * 811) % 6000),
    new Set(Array.from({ length: 200 }, (_, i) => i * 7 + 6)),
  );
}

test('a track log gives back what was written, page after page', async (context) => {
  const folder = makeFolder(context);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.oneof(fc.nat(40), fc.nat(30_000)), fc.boolean()), { maxLength: 60 }),
      (made) => {
        const ends = new Set(made.flatMap(([, isEnd], i) => (isEnd ? [i] : [])));
        const rows = rowsOf(
          made.map(([size]) => size),
          ends,
        );
        write(folder, rows);
        opened(folder, (log) => {
          assert.deepEqual(readAll(log), rows);
          assert.equal(log.damage, undefined);
          assert.deepEqual(Buffer.from(log.head.root), IMAGE.root.root);
          const { sequence, level, items, length } = log.head;
          assert.deepEqual([sequence, level, items, length], [7, 1, 9, 2 ** 40]);
          for (const page of log.head.pages.slice(0, -1)) assert.ok(page.bytes >= TRACK_PAGE_BYTES);
        });
      },
    ),
    { numRuns: 40 },
  );
});

test('leaves that are taken over raw are the leaves that were written', (context) => {
  const folder = makeFolder(context);
  const rows = manyRows();
  write(folder, rows);
  const writer = new TrackLogWriter(folder);
  opened(folder, (log) => {
    let leaf: TrackRecord[] = [];
    for (let record = log.next(); record !== undefined; record = log.next()) {
      leaf.push(record);
      if (!(record.flags & TRACK_ENDS_LEAF)) continue;
      writer.addRaw(record.page.subarray(leaf[0].at, record.end), leaf.length);
      leaf = [];
    }
    assert.equal(leaf.length, 0);
  });
  writer.publish(IMAGE);
  opened(folder, (log) => {
    assert.deepEqual(readAll(log), rows);
    assert.ok(log.head.pages.length > 3);
    assert.equal(
      log.head.pages.reduce((sum, page) => sum + page.records, 0),
      rows.length,
    );
  });
});

test('of a log with a damaged page the records before it are good, and the rest is lost', (context) => {
  const folder = makeFolder(context);
  const rows = manyRows();
  write(folder, rows);
  const pages = opened(folder, (log) => log.head.pages);
  const file = join(folder, hexOf(opened(folder, (log) => log.head.file)));
  const good = readFileSync(file);
  assert.ok(pages.length > 4);
  let start = 0;
  let records = 0;
  for (const page of pages) {
    for (const at of [start, start + (page.bytes >> 1), start + page.bytes - 1]) {
      const bytes = Buffer.from(good);
      bytes[at] ^= 0x20;
      writeFileSync(file, bytes);
      opened(folder, (log) => {
        assert.deepEqual(readAll(log), rows.slice(0, records));
        assert.match(log.damage!.message, /does not match its digest/);
      });
    }
    start += page.bytes;
    records += page.records;
  }
});

test('a log whose file was replaced by one as long is damaged from its start', (context) => {
  const folder = makeFolder(context);
  write(folder, manyRows());
  const file = join(folder, hexOf(opened(folder, (log) => log.head.file)));
  writeFileSync(file, Buffer.alloc(readFileSync(file).length));
  opened(folder, (log) => {
    assert.deepEqual(readAll(log), []);
    assert.ok(log.damage !== undefined);
  });
});

test('a log that is not whole is none', (context) => {
  const folder = makeFolder(context);
  const before = openDescriptors();
  assert.equal(TrackLog.open(folder), undefined, 'never written');
  const breakings: Readonly<Record<string, (head: string, file: string) => void>> = {
    'no head': (head) => rmSync(head),
    'an empty head': (head) => truncateSync(head),
    'a head cut short': (head) => truncateSync(head, 40),
    'a head that goes on': (head) => appendFileSync(head, 'x'),
    'a folder for a head': (head) => {
      rmSync(head);
      mkdirSync(head);
    },
    'no file': (_, file) => rmSync(file),
    'an empty file': (_, file) => truncateSync(file),
    'a file cut short': (_, file) => truncateSync(file, 1000),
    'a file that goes on': (_, file) => appendFileSync(file, 'x'),
  };
  for (const [how, act] of Object.entries(breakings)) {
    rmSync(folder, { recursive: true, force: true });
    write(folder, rowsOf([100, 200, 300], new Set([1])));
    act(join(folder, 'head'), join(folder, hexOf(opened(folder, (log) => log.head.file))));
    assert.equal(TrackLog.open(folder), undefined, how);
  }
  assert.equal(openDescriptors(), before);
});

test('a head with any byte changed is none', (context) => {
  const folder = makeFolder(context);
  write(folder, rowsOf([100], new Set()));
  const head = join(folder, 'head');
  const good = readFileSync(head);
  for (let at = 0; at < good.length; at++) {
    const bytes = Buffer.from(good);
    bytes[at] ^= 1 << (at % 8);
    writeFileSync(head, bytes);
    assert.equal(TrackLog.open(folder), undefined, `byte ${at}`);
  }
});

test('a log describes images with its index, and no others', (context) => {
  const folder = makeFolder(context);
  write(folder, []);
  opened(folder, (log) => {
    assert.equal(log.describes(IMAGE), true);
    const renamed: TrackedImage = { ...IMAGE, image: noise(32, 9) };
    assert.equal(log.describes(renamed), true);
    assert.equal(log.describes({ ...IMAGE, root: { ...IMAGE.root, root: noise(32, 9) } }), false);
    assert.equal(log.describes({ ...IMAGE, dataset: noise(16, 9) }), false);
    assert.equal(log.describes({ ...IMAGE, repositoryId: noise(16, 9) }), false);
  });
});

test('a log takes the place of the last one once it is published, and what others keep beside it stays', (context) => {
  const folder = makeFolder(context);
  const [one, two] = [rowsOf([10], new Set()), rowsOf([20, 30], new Set([0]))];
  write(folder, one);
  mkdirSync(join(folder, 'segments'));
  writeFileSync(join(folder, hexOf(noise(16, 5))), 'of a backup that died');
  writeFileSync(join(folder, `head.${hexOf(noise(8, 5))}`), 'too');
  const writer = new TrackLogWriter(folder);
  writer.add('key', Buffer.from('value'), new Uint32Array(STAT_WORDS), 0);
  opened(folder, (log) => assert.deepEqual(readAll(log), one, 'not published yet'));
  writer.discard();
  opened(folder, (log) => assert.deepEqual(readAll(log), one, 'discarded'));
  write(folder, two, { ...IMAGE, image: noise(32, 6) });
  opened(folder, (log) => {
    assert.deepEqual(readAll(log), two);
    assert.deepEqual(readdirSync(folder).sort(), [hexOf(log.head.file), 'head', 'segments'].sort());
  });
});

test('an unchanged log serves a newer image, without a copy', (context) => {
  const folder = makeFolder(context);
  const rows = manyRows();
  write(folder, rows);
  const newer = { ...IMAGE, image: noise(32, 8), sequence: 8 };
  const writer = new TrackLogWriter(folder);
  opened(folder, (log) => writer.republish(log, newer));
  assert.equal(writer.failure, undefined);
  opened(folder, (log) => {
    assert.equal(log.describes(newer), true);
    assert.equal(log.head.sequence, 8);
    assert.deepEqual(readAll(log), rows);
    assert.deepEqual(readdirSync(folder).sort(), [hexOf(log.head.file), 'head'].sort());
  });
});

test('a log that cannot be written says why, and stops nothing', (context) => {
  const folder = makeFolder(context);
  writeFileSync(folder, 'a file');
  const writer = new TrackLogWriter(folder);
  for (let i = 0; i < 100; i++) {
    writer.add(`${i}`, Buffer.alloc(10_000), new Uint32Array(STAT_WORDS), 0);
    writer.endLeaf({ key: '', id: noise(32, i), items: 1, length: 1 });
  }
  writer.publish(IMAGE);
  assert.match(String(writer.failure), /EEXIST|ENOTDIR/);
  writer.discard();
  assert.equal(readFileSync(folder, 'utf8'), 'a file');

  rmSync(folder);
  write(folder, rowsOf([10], new Set()));
  const late = new TrackLogWriter(folder);
  rmSync(folder, { recursive: true });
  late.publish(IMAGE);
  assert.match(String(late.failure), /ENOENT/);
  assert.equal(existsSync(folder), false);
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EverfullError, hexOf, isEverfullError } from '../../base/mod.ts';
import type { Entry } from '../../format/mod.ts';
import { folderEntry } from '../../image/testing/memory-nodes.ts';
import type { Catalog, CatalogEntry, CatalogQuery } from '../mod.ts';
import {
  file,
  findAll,
  fingerprintOf,
  holding,
  named,
  pathsIn,
  scan,
  type TestImage,
  TestImages,
  update,
} from './images.ts';

/** Lends an empty catalog, each call another one. */
export type LendCatalog = (use: (catalog: Catalog) => Promise<void>) => Promise<void>;

/** Registers the tests that every `Catalog` must pass. */
export function catalogContract(name: string, lend: LendCatalog): void {
  const promise = (sentence: string, body: (catalog: Catalog, images: TestImages) => Promise<void>) =>
    test(sentence, () => lend((catalog) => body(catalog, new TestImages())));

  describe(`the catalog contract, ${name}`, () => {
    promise('an empty catalog finds nothing', async (catalog, images) => {
      const image = images.of('d', 1, { '/a': 'one' });
      assert.deepEqual(await pathsIn(catalog, { images: [image] }), [[]]);
      await update(catalog, [], images);
      assert.deepEqual(await pathsIn(catalog, { images: [] }), []);
    });

    promise('an entry is found with all that is known of it', async (catalog, images) => {
      const entry = file('text', {
        mode: 0o4751,
        uid: 4294967295,
        gid: 7,
        mtimeSeconds: -5,
        mtimeNanoseconds: 999_999_999,
      });
      const image = images.make('d', 1, new Map([['/etc/hosts', entry]]));
      await update(catalog, [image], images);
      const [found] = (await findAll(catalog, { images: [image], patterns: [named('hosts')] }))[0]!;
      assert.deepEqual(plain(found!), {
        path: '/etc/hosts',
        type: entry.type,
        mode: 0o4751,
        uid: 4294967295,
        gid: 7,
        size: 4,
        mtimeSeconds: -5,
        mtimeNanoseconds: 999_999_999,
        fingerprint: fingerprintOf('text'),
      });
    });

    promise(
      'a path that came, changed and went is found in each image as it was there',
      async (catalog, images) => {
        const series = [
          images.of('d', 1, { '/b': 'always' }),
          images.of('d', 2, { '/a': 'one', '/b': 'always' }),
          images.of('d', 5, { '/a': 'longer', '/b': 'always' }),
          images.of('d', 6, { '/b': 'always' }),
          images.of('d', 7, { '/a': 'one', '/b': 'always' }),
        ];
        await update(catalog, series, images);
        const sizes = (await findAll(catalog, { images: series, patterns: [named('a')] })).map((found) =>
          found.map(({ size }) => size),
        );
        assert.deepEqual(sizes, [[], [3], [6], [], [3]]);
        assert.deepEqual(await pathsIn(catalog, { images: series, fingerprint: fingerprintOf('one') }), [
          [],
          ['/a'],
          [],
          [],
          ['/a'],
        ]);
      },
    );

    promise('names are bytes, and come in key order', async (catalog, images) => {
      const paths = [
        '/\xff\xfe',
        '/a\nb',
        "/it's",
        '/\xc3\xa9t\xc3\xa9',
        '/-',
        '/x/\x01',
        '/x\x01/y',
        '/x-/\xff',
        '/x/z/\x80',
      ];
      const image = images.of('d', 1, Object.fromEntries(paths.map((path) => [path, path])));
      await update(catalog, [image], images);
      const all = scan(image, { images: [image] }).map(({ path }) => path);
      assert.equal(all.length, paths.length);
      assert.deepEqual(await pathsIn(catalog, { images: [image] }), [all]);
      assert.deepEqual(await pathsIn(catalog, { images: [image], patterns: [named('\xff\xfe')] }), [
        ['/\xff\xfe'],
      ]);
      assert.deepEqual(await pathsIn(catalog, { images: [image], patterns: [holding('\xff')] }), [
        ['/\xff\xfe', '/x-/\xff'],
      ]);
    });

    promise('a fingerprint is found by any number of its first digits', async (catalog, images) => {
      const image = images.of('d', 1, { '/a': 'one', '/b/copy': 'one', '/c': 'two', '/folder': undefined });
      await update(catalog, [image], images);
      const whole = fingerprintOf('one');
      for (const digits of [64, 63, 17, 9, 8, 7, 6]) {
        assert.deepEqual(await pathsIn(catalog, { images: [image], fingerprint: whole.slice(0, digits) }), [
          ['/a', '/b/copy'],
        ]);
      }
      assert.deepEqual(await pathsIn(catalog, { images: [image], fingerprint: '' }), [
        ['/a', '/c', '/b/copy'],
      ]);
      assert.deepEqual(
        await pathsIn(catalog, { images: [image], fingerprint: whole, patterns: [named('a')] }),
        [['/a']],
      );
    });

    promise('several patterns find each entry once', async (catalog, images) => {
      const image = images.of('d', 1, { '/a/one': '1', '/b/one': '2', '/b/two': '3' });
      await update(catalog, [image], images);
      const find = async (...patterns: CatalogQuery['patterns'] & object) =>
        (await pathsIn(catalog, { images: [image], patterns }))[0];
      assert.deepEqual(await find(named('one'), named('one'), named('none')), ['/a/one', '/b/one']);
      assert.deepEqual(await find(named('one'), holding('o')), ['/a/one', '/b/one', '/b/two']);
      assert.deepEqual(await find(holding('one', '/a'), holding('two', '/b')), ['/a/one', '/b/two']);
      assert.deepEqual(await find(), []);
    });

    promise('what is found outlives later updates', async (catalog, images) => {
      const first = images.of('d', 1, { '/a': 'one' });
      await update(catalog, [first], images);
      await using found = await catalog.find({ images: [first] });
      await update(catalog, [], images);
      assert.equal(await found.count(first), 1);
      assert.deepEqual(await pathsIn(catalog, { images: [first] }), [[]]);
    });

    promise('an image that was added is not read again', async (catalog, images) => {
      const series = [images.of('d', 1, { '/a': 'one' }), images.of('d', 2, { '/a': 'two' })];
      await update(catalog, series, images);
      images.nodes.nodes.clear();
      await update(catalog, series, images);
      assert.deepEqual(await pathsIn(catalog, { images: series }), [['/a'], ['/a']]);
    });

    promise(
      'an image that is gone is not found any more, and the others are as they were',
      async (catalog, images) => {
        const texts = ['one', undefined, 'one', 'two'];
        const series = texts.map((text, i) =>
          images.of('d', i + 1, text === undefined ? { '/b': 'b' } : { '/a': text, '/b': 'b' }),
        );
        const whole = [['/a', '/b'], ['/b'], ['/a', '/b'], ['/a', '/b']];
        for (const gone of series) {
          const rest = series.filter((image) => image !== gone);
          for (const held of [series, rest]) await update(catalog, held, images);
          const expected = whole.map((paths, i) => (series[i] === gone ? [] : paths));
          assert.deepEqual(await pathsIn(catalog, { images: series }), expected);
        }
        // The newest goes, and what it changed is changed back by the next.
        await update(catalog, series.slice(0, 2), images);
        await update(catalog, series.slice(0, 1), images);
        await update(catalog, [series[0]!, series[2]!], images);
        assert.deepEqual(await pathsIn(catalog, { images: series }), [whole[0], [], whole[2], []]);
      },
    );

    promise('another image at the same place takes the place', async (catalog, images) => {
      const [mine, other] = [images.of('d', 1, { '/mine': '1' }), images.of('d', 1, { '/other': '2' })];
      await update(catalog, [mine], images);
      await update(catalog, [other], images);
      assert.deepEqual(await pathsIn(catalog, { images: [mine, other] }), [[], ['/other']]);
    });

    promise('an image that cannot be read is told of and left out until it can', async (catalog, images) => {
      const texts = ['one', 'two', 'three'];
      const series = texts.map((text, i) => images.of('d', i + 1, { '/a': text }));
      for (const lost of series) {
        const rootId = hexOf(lost.root.root);
        const source: typeof images.nodes.source = async (kind, id) => {
          if (hexOf(id) === rootId) throw new EverfullError('damaged', 'test');
          return images.nodes.source(kind, id);
        };
        const told: unknown[] = [];
        await update(catalog, [], images);
        await catalog.update(series, source, {
          signal: new AbortController().signal,
          unreadable: (image) => told.push(image),
        });
        assert.deepEqual(told, [lost]);
        const expected = series.map((image) => (image === lost ? [] : ['/a']));
        assert.deepEqual(await pathsIn(catalog, { images: series }), expected);
        for (const [i, image] of series.entries()) {
          const found = await pathsIn(catalog, { images: [image], fingerprint: fingerprintOf(texts[i]!) });
          assert.deepEqual(found, [expected[i]]);
        }
        await update(catalog, series, images);
        assert.deepEqual(await pathsIn(catalog, { images: series }), [['/a'], ['/a'], ['/a']]);
      }
    });

    promise(
      'an image is added although the one before it cannot be read any more',
      async (catalog, images) => {
        const [first, second] = [
          images.of('d', 1, { '/a': 'one', '/b': 'b' }),
          images.of('d', 2, { '/a': 'two' }),
        ];
        await update(catalog, [first], images);
        const source: typeof images.nodes.source = async (kind, id) => {
          if (hexOf(id) === hexOf(first.root.root)) throw new EverfullError('object-missing', 'test');
          return images.nodes.source(kind, id);
        };
        await catalog.update([first, second], source, {
          signal: new AbortController().signal,
          unreadable: (_, error) => assert.fail(error),
        });
        assert.deepEqual(await pathsIn(catalog, { images: [first, second] }), [['/a', '/b'], ['/a']]);
      },
    );

    promise('an interrupted update keeps the images that were added whole', async (catalog, images) => {
      const tree = (prefix: string) =>
        Object.fromEntries(
          Array.from({ length: 3000 }, (_, i) => [`/${prefix}/file ${prefix} ${i}`, `${i}`]),
        );
      const series = [images.of('d', 1, tree('d')), images.of('e', 1, tree('e'))];
      const interrupt = new AbortController();
      const interrupted = catalog.update(series, images.nodes.source, {
        signal: interrupt.signal,
        progress: (entries) => {
          if (entries > 4000) interrupt.abort();
        },
        unreadable: (_, error) => assert.fail(error),
      });
      await assert.rejects(interrupted, (error) => isEverfullError(error, 'interrupted'));
      const counts = (found: CatalogEntry[][]) => found.map((entries) => entries.length);
      assert.deepEqual(counts(await findAll(catalog, { images: series })), [3000, 0]);
      await update(catalog, series, images);
      assert.deepEqual(counts(await findAll(catalog, { images: series })), [3000, 3000]);
    });

    test('whatever images come and go in whatever order, it finds what a scan of them all finds', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) =>
          lend((catalog) => runSteps(catalog, steps)),
        ),
        { numRuns: 40 },
      );
    });
  });
}

/** As values that compare deeply, whatever buffers they come in. */
function plain({ fingerprint, ...rest }: CatalogEntry) {
  return { ...rest, fingerprint: fingerprint && hexOf(fingerprint) };
}

const component = fc.constantFrom('a', 'ab', 'A', '\xff', '-', 'b.c');
const path = fc.array(component, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join('/')}`);
const entry: fc.Arbitrary<Entry | undefined> = fc.oneof(
  fc.constant(undefined),
  fc
    .tuple(fc.constantFrom('', 'one', 'two'), fc.integer({ min: -2, max: 2 }))
    .map(([text, mtimeSeconds]) => file(text, { mtimeSeconds })),
  fc.constantFrom(
    folderEntry(),
    folderEntry({ mode: 0o700 }),
    folderEntry({ xattrs: [{ name: 'user.x', value: Buffer.from('not held') }] }),
  ),
);
const changes = fc.array(fc.tuple(path, entry), { maxLength: 8 });
const query = fc.record({
  patterns: fc.option(
    fc.array(
      fc.oneof(
        component.map(named),
        fc.tuple(component, component).map(([part, folder]) => holding(part, folder)),
      ),
      { maxLength: 2 },
    ),
    { nil: undefined },
  ),
  fingerprint: fc.option(
    fc.constantFrom('', ...['one', 'two'].map((text) => fingerprintOf(text).slice(0, 5))),
    { nil: undefined },
  ),
  oldest: fc.option(fc.integer({ min: -2000, max: 2000 }), { nil: undefined }),
  newest: fc.option(fc.integer({ min: -2000, max: 2000 }), { nil: undefined }),
});
type Query = Omit<CatalogQuery, 'images'>;

type Step =
  | {
      readonly kind: 'commit';
      readonly dataset: string;
      readonly changes: readonly (readonly [string, Entry | undefined])[];
      readonly late: boolean;
    }
  | { readonly kind: 'forget'; readonly which: number }
  | { readonly kind: 'appear' }
  | { readonly kind: 'find'; readonly query: Query };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('commit' as const),
      dataset: fc.constantFrom('d', 'e'),
      changes,
      late: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('forget' as const), which: fc.nat(10) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'appear' as const }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('find' as const), query }) },
);

/** Enough for an index of several nodes, most of which two images share. */
const FILLER = Array.from(
  { length: 300 },
  (_, i) => [`/filler/${'long'.repeat(10)} ${i}`, file(`${i}`)] as const,
);

async function runSteps(catalog: Catalog, steps: readonly Step[]): Promise<void> {
  const images = new TestImages();
  let present: TestImage[] = [];
  /** Committed under their numbers by somebody whose end record is not there yet. */
  let late: TestImage[] = [];
  const trees = new Map<string, Map<string, Entry>>();
  const sequences = new Map<string, number>();
  const check = async (query: Query) => {
    await update(catalog, present, images);
    const all = { ...query, images: present };
    const found = await findAll(catalog, all);
    assert.deepEqual(
      found.map((entries) => entries.map(plain)),
      present.map((image) => scan(image, all).map(plain)),
    );
  };
  for (const step of steps) {
    if (step.kind === 'commit') {
      const tree = new Map(trees.get(step.dataset) ?? [['/', folderEntry()], ...FILLER]);
      for (const [path, entry] of step.changes) {
        if (entry === undefined) tree.delete(path);
        else tree.set(path, entry);
      }
      trees.set(step.dataset, tree);
      const sequence = (sequences.get(step.dataset) ?? 0) + 1;
      sequences.set(step.dataset, sequence);
      (step.late ? late : present).push(images.make(step.dataset, sequence, tree));
    } else if (step.kind === 'forget') {
      present = present.filter((_, i) => i !== step.which);
    } else if (step.kind === 'appear') {
      present = [...late, ...present];
      late = [];
    } else {
      await check(step.query);
    }
  }
  await check({});
}

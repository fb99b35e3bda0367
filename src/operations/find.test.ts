import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ByteString, hexOf, isEverfullError } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import type { Image } from '../repository/mod.ts';
import type { OperationContext } from './context.ts';
import { type FindOptions, find } from './find.ts';
import { entryOf, SmallRepository } from './testing/small-repository.ts';

type Result = readonly (readonly [image: Image, paths: readonly ByteString[]])[];

async function search(context: OperationContext, options: FindOptions): Promise<Result> {
  const found: [Image, ByteString[]][] = [];
  for await (const { image, hits, matches } of find(context, options)) {
    const paths: ByteString[] = [];
    for await (const { path } of matches) paths.push(path);
    assert.equal(hits, paths.length);
    found.push([image, paths]);
  }
  return found;
}

test('find() gives the images that have matches, newest first, each with its matches in key order', async () => {
  const small = await SmallRepository.create();
  const one = await small.commit({ '/etc/hosts': 'a', '/home/hosts': 'b' });
  await small.commit({ '/etc/passwd': 'a' });
  const three = await small.commit(
    { '/etc/hosts': 'a', '/zoo/hosts': 'c', '/a/b/c/hosts': 'd' },
    { dataset: 'other' },
  );
  const found = await search(small.context(), { patterns: ['hosts'] });
  assert.deepEqual(found, [
    [three, ['/a/b/c/hosts', '/etc/hosts', '/zoo/hosts']],
    [one, ['/etc/hosts', '/home/hosts']],
  ]);
  assert.deepEqual(small.problems, []);
  assert.deepEqual(small.notices, []);
});

test('find() searches the images it is given, in their order', async () => {
  const small = await SmallRepository.create();
  const [one, two, three] = [
    await small.commit({ '/a': '1' }),
    await small.commit({ '/a': '2' }),
    await small.commit({ '/a': '3' }),
  ];
  const found = await search(small.context(), { patterns: ['a'], images: [one, three] });
  assert.deepEqual(
    found.map(([image]) => image),
    [one, three],
  );
  assert.deepEqual((await search(small.context(), { patterns: ['a'] })).length, [one, two, three].length);
  assert.deepEqual(await search(small.context(), { patterns: ['a'], images: [] }), []);
});

test('find() finds a file by its fingerprint wherever it lies', async () => {
  const small = await SmallRepository.create();
  const one = await small.commit({ '/a': 'same', '/b/moved': 'same', '/c': 'other' });
  const fingerprint = hexOf(digest(Buffer.from('same')));
  for (const digits of [fingerprint, fingerprint.slice(0, 7), fingerprint.toUpperCase()]) {
    assert.deepEqual(await search(small.context(), { fingerprint: digits }), [[one, ['/a', '/b/moved']]]);
  }
  assert.deepEqual(await search(small.context(), { fingerprint, patterns: ['moved'] }), [
    [one, ['/b/moved']],
  ]);
});

test('find() takes bounds of the mtime, several patterns and any case', async () => {
  const small = await SmallRepository.create();
  const at = (mtimeSeconds: number) => entryOf({ mtimeSeconds, mtimeNanoseconds: 500_000_000 });
  await small.commit({ '/Old': at(-10), '/mid': at(0), '/new': at(10), '/n\xe9\xff': at(20) });
  const paths = async (options: FindOptions) =>
    (await search(small.context(), options)).flatMap(([, paths]) => paths);
  assert.deepEqual(await paths({ patterns: ['*'], oldest: 500, newest: 10_500 }), ['/mid', '/new']);
  assert.deepEqual(await paths({ patterns: ['*'], newest: 499 }), ['/Old']);
  assert.deepEqual(await paths({ patterns: ['old', 'n?w'], ignoreCase: true }), ['/Old', '/new']);
  assert.deepEqual(await paths({ patterns: ['n\xe9\xff'] }), ['/n\xe9\xff']);
});

test('find() names an image that it cannot read, and searches the others', async () => {
  const small = await SmallRepository.create();
  const good = await small.commit({ '/a': '1' }, { dataset: 'good' });
  const packs = new Set(small.store.objects.keys());
  const bad = await small.commit({ '/a': '2' });
  for (const name of small.store.objects.keys())
    if (name.startsWith('packs/') && !packs.has(name)) small.store.objects.delete(name);
  const found = await search(await small.reopen(), { patterns: ['a'] });
  assert.deepEqual(
    found.map(([image]) => hexOf(image.id)),
    [hexOf(good.id)],
  );
  assert.deepEqual(
    small.problems.map(({ item }) => item),
    [`image ${hexOf(bad.id).slice(0, 8)}`],
  );
});

test('find() reads an image once, if it may keep a catalog', async () => {
  const stateFolder = await mkdtemp(join(tmpdir(), 'find-'));
  try {
    const small = await SmallRepository.create();
    await small.commit({ '/a': '1' });
    assert.equal((await search({ ...(await small.reopen()), stateFolder }, { patterns: ['a'] })).length, 1);
    assert.ok(small.repository.frames.read.nodes > 0);
    assert.equal((await search({ ...(await small.reopen()), stateFolder }, { patterns: ['a'] })).length, 1);
    assert.equal(small.repository.frames.read.nodes, 0);
  } finally {
    await rm(stateFolder, { recursive: true });
  }
});

test('find() refuses what it cannot search for, before it reads anything', async () => {
  const small = await SmallRepository.create();
  for (const options of [
    {},
    { patterns: [] },
    { patterns: ['['] },
    { fingerprint: '' },
    { fingerprint: 'xyz' },
    { fingerprint: 'a'.repeat(65) },
  ]) {
    await assert.rejects(search(small.context(), options), (error) => isEverfullError(error, 'usage'));
  }
});

test('find() ends with interrupted', async () => {
  const small = await SmallRepository.create();
  await small.commit({ '/a': '1' });
  await assert.rejects(search(small.context({ signal: AbortSignal.abort() }), { patterns: ['a'] }), (error) =>
    isEverfullError(error, 'interrupted'),
  );
});

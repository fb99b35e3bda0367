import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hexOf } from '../base/mod.ts';
import { noise } from '../chunk/testing/noise.ts';
import { type ChunkRef, KnownFiles, type KnownPlace } from './known-files.ts';

/** Many begin alike, so that their rows meet in the table. */
const fingerprint = fc.tuple(fc.nat(2), fc.nat(40)).map(([start, rest]) => {
  const bytes = noise(32, rest);
  bytes.fill(start, 0, 4);
  return bytes;
});

/** Chunks by number; two refs of one id are one chunk. The last two have no id yet. */
const chunk = fc.nat(8);
const chunkRefs: readonly ChunkRef[] = Array.from({ length: 9 }, (_, i) => ({
  id: i > 6 ? undefined : noise(32, i % 5),
}));

const step = fc.record({
  do: fc.constantFrom('add' as const, 'set' as const),
  fingerprint,
  chunk,
  offset: fc.nat(2 ** 32 - 1),
  length: fc.nat(2 ** 32 - 1),
});

function assertPlace(found: KnownPlace | undefined, expected: KnownPlace | undefined): void {
  if (expected?.chunk.id === undefined) assert.equal(found?.chunk, expected?.chunk);
  assert.deepEqual(found, expected);
}

test('any sequence of files is known as a map would know it, up to the limit', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 0, max: 60 }), (steps, filesMax) => {
      const known = new KnownFiles(filesMax);
      const model = new Map<string, KnownPlace>();
      for (const { do: verb, fingerprint, chunk, offset, length } of steps) {
        const name = hexOf(fingerprint);
        const place = { chunk: chunkRefs[chunk], offset, length };
        known[verb](fingerprint, place);
        if (model.has(name) ? verb === 'set' : model.size < filesMax) model.set(name, place);
        assertPlace(known.find(fingerprint), model.get(name));
      }
      assert.equal(known.count, model.size);
      for (const { fingerprint } of steps)
        assertPlace(known.find(fingerprint), model.get(hexOf(fingerprint)));
    }),
  );
});

test('files are found however many there are', () => {
  const known = new KnownFiles(50_000);
  const count = 20_000;
  const fingerprints = noise(count * 32, 1);
  const of = (i: number) => fingerprints.subarray(i * 32, i * 32 + 32);
  const chunks = Array.from({ length: 200 }, (_, i) => ({ id: noise(32, i) }));
  for (let i = 0; i < count; i++) known.add(of(i), { chunk: chunks[i % 200], offset: i, length: i * 3 });
  assert.equal(known.count, count);
  for (let i = 0; i < count; i++)
    assert.deepEqual(known.find(of(i)), { chunk: chunks[i % 200], offset: i, length: i * 3 });
  assert.equal(known.find(noise(32, 'another'.length)), undefined);
});

test('a chunk that gets its id later has it in the place that was found before', () => {
  const known = new KnownFiles(10);
  const open: ChunkRef = { id: undefined };
  known.add(noise(32, 1), { chunk: open, offset: 0, length: 5 });
  known.add(noise(32, 2), { chunk: { id: undefined }, offset: 0, length: 5 });
  const place = known.find(noise(32, 1))!;
  open.id = noise(32, 9);
  assert.equal(place.chunk.id, open.id);
  assert.equal(known.find(noise(32, 2))!.chunk.id, undefined, 'another chunk without an id is another chunk');
});

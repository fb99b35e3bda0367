import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DomainSecrets } from '../crypto/mod.ts';
import { CHUNK_BYTES_MAX } from '../format/mod.ts';
import { CUT_BYTES_MIN, CUT_BYTES_TARGET, Cutter, GEAR_BYTES, writeGear } from './cutter.ts';
import { noise } from './testing/noise.ts';

const MiB = 1024 * 1024;
const ROOM = 48 * MiB;

/** Cuts bytes that are copied into memory of its own. */
class Bench {
  readonly #memory: WebAssembly.Memory;
  readonly #cutter: Cutter;
  readonly #bytes: Uint8Array;

  constructor(secret: number) {
    const pages = (GEAR_BYTES + ROOM) / 65536 + 1;
    this.#memory = new WebAssembly.Memory({
      initial: Math.ceil(pages),
      maximum: Math.ceil(pages),
      shared: true,
    });
    writeGear(this.#memory, new DomainSecrets(Buffer.alloc(32, secret)).gearTable());
    this.#cutter = new Cutter(this.#memory);
    this.#bytes = new Uint8Array(this.#memory.buffer, GEAR_BYTES);
  }

  /** Where the chunks of `data` end, when it comes in parts of these lengths, over and over. */
  cuts(data: Uint8Array, parts: readonly number[] = [data.length]): number[] {
    this.#bytes.set(data);
    const cuts: number[] = [];
    let start = 0;
    let end = 0;
    for (let part = 0; end < data.length || start < end; part++) {
      end = Math.min(data.length, end + parts[part % parts.length]);
      while (start < end) {
        const cut = this.#cutter.cutAt(GEAR_BYTES + start, GEAR_BYTES + end, end === data.length);
        if (cut < 0) break;
        start = cut - GEAR_BYTES;
        cuts.push(start);
      }
    }
    return cuts;
  }
}

const bench = new Bench(1);

function lengthsOf(cuts: readonly number[]): number[] {
  return cuts.map((cut, i) => cut - (cuts[i - 1] ?? 0));
}

test('the same bytes fed in any pieces cut the same', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.integer({ min: 0, max: 6 * MiB }),
      fc.array(fc.integer({ min: 1, max: 2 * MiB }), { minLength: 1, maxLength: 4 }),
      (seed, length, parts) => {
        const data = noise(length, seed);
        const tail = 40_000;
        assert.deepEqual(bench.cuts(data, [...parts, tail]), bench.cuts(data));
      },
    ),
    { numRuns: 25 },
  );
});

test('no chunk is longer than the limit, and none but the last is shorter than the least', () => {
  const samples = [noise(20 * MiB, 1), Buffer.alloc(13 * MiB + 5), Buffer.from('ab'.repeat(5 * MiB))];
  for (const data of samples) {
    const lengths = lengthsOf(bench.cuts(data));
    assert.equal(
      lengths.reduce((sum, length) => sum + length, 0),
      data.length,
    );
    assert.ok(lengths.every((length) => length > 0 && length <= CHUNK_BYTES_MAX));
    assert.ok(lengths.slice(0, -1).every((length) => length > CUT_BYTES_MIN));
  }
});

test('what is as long as the least chunk, or a byte more or less, is one chunk', () => {
  for (const length of [0, 1, CUT_BYTES_MIN - 1, CUT_BYTES_MIN])
    assert.deepEqual(bench.cuts(noise(length, 3)), length === 0 ? [] : [length]);
});

test('the mean length of chunks of random bytes is about the target', () => {
  const count = bench.cuts(noise(45 * MiB, 5)).length;
  const mean = (45 * MiB) / count;
  assert.ok(mean > 0.75 * CUT_BYTES_TARGET && mean < 1.35 * CUT_BYTES_TARGET, String(mean));
});

test('after an insertion the cuts come to lie at the same bytes again', () => {
  const data = noise(24 * MiB, 7);
  const before = new Set(bench.cuts(data));
  for (const inserted of [1, 100, 70_000]) {
    const after = bench.cuts(Buffer.concat([noise(inserted, 8), data])).map((cut) => cut - inserted);
    const missed = after.findIndex((cut) => before.has(cut));
    assert.ok(missed >= 0 && missed < 10, `${missed} chunks until the cuts meet`);
    assert.ok(
      after.slice(missed).every((cut) => before.has(cut)),
      'and they stay together',
    );
  }
});

test('other secrets cut elsewhere', () => {
  const data = noise(24 * MiB, 9);
  const cuts = new Set(bench.cuts(data));
  const shared = new Bench(2).cuts(data).filter((cut) => cuts.has(cut));
  assert.ok(shared.length <= 2, 'the end of the data, and at most one by chance');
});

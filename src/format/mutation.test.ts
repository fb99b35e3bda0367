import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc, { type Arbitrary } from 'fast-check';
import { isEverfullError } from '../base/mod.ts';
import { codecs, digest } from './testing/codecs.ts';
import { readPage, type Vector, vectorsOf } from './testing/pages.ts';

const PAGES = [
  'record.md',
  'manifest.md',
  'entry.md',
  'node.md',
  'frame.md',
  'pack.md',
  'segment.md',
  'retention.md',
  'stream.md',
  'track-log.md',
];
const vectors = PAGES.flatMap((page) => vectorsOf(readPage(page))).filter(({ codec }) => codec in codecs);

/** Where the digest of an object of so many bytes stands; undefined where it has none. */
function digestAt(codec: string, length: number): number | undefined {
  if (codec === 'packTable') return length - 36;
  if (codec === 'segment' || codec.endsWith('Record')) return length - 32;
  if (codec === 'streamSegment') return 64;
  return undefined;
}

/** Makes the digest fit again, as one who means harm would. */
function repaired(codec: string, bytes: Buffer): Buffer {
  const at = digestAt(codec, bytes.length);
  if (at === undefined || at < 0 || at + 32 > bytes.length) return bytes;
  // That of a stream's segment stands before the records.
  const after = codec === 'streamSegment' ? bytes.subarray(at + 32) : Buffer.alloc(0);
  digest(bytes.subarray(0, at), after).copy(bytes, at);
  return bytes;
}

/** Byte strings that numbers are hidden in: the largest varint, the largest u32 and u64, zeros. */
const NASTY = [
  'ffffffffffffff0f',
  'ffffffff',
  'ffffffffffffffff',
  '00000000',
  'ffff03',
  'ff',
  '00',
  '80',
].map((hex) => Buffer.from(hex, 'hex'));

function mutations(bytes: Buffer): Arbitrary<Buffer> {
  const place = fc.nat(bytes.length);
  const flip = fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, change]) => {
    const changed = Buffer.from(bytes);
    changed[at]! ^= change;
    return changed;
  });
  const cut = place.map((at) => Buffer.from(bytes.subarray(0, at)));
  const insert = fc
    .tuple(place, fc.oneof(fc.constantFrom(...NASTY), fc.uint8Array({ minLength: 1, maxLength: 9 })))
    .map(([at, extra]) => Buffer.concat([bytes.subarray(0, at), extra, bytes.subarray(at)]));
  const overwrite = fc.tuple(place, fc.constantFrom(...NASTY)).map(([at, extra]) => {
    const changed = Buffer.concat([bytes, extra]);
    extra.copy(changed, at);
    return changed.subarray(0, bytes.length);
  });
  const remove = fc
    .tuple(place, fc.nat(40))
    .map(([at, count]) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + count)]));
  return fc.oneof(flip, cut, insert, overwrite, remove);
}

function decodesOrRefuses({ codec }: Vector, bytes: Buffer): void {
  try {
    codecs[codec]!.decode(bytes);
  } catch (error) {
    assert.ok(isEverfullError(error, 'damaged', 'limit', 'repository-newer'), `${(error as Error).stack}`);
  }
}

for (const vector of vectors) {
  const name = `${vector.codec} ${vector.name}`.trim();

  test(`any change to the bytes of ${name} is read, or cleanly refused`, () => {
    fc.assert(
      fc.property(mutations(vector.bytes), (bytes) => {
        decodesOrRefuses(vector, bytes);
        decodesOrRefuses(vector, repaired(vector.codec, Buffer.from(bytes)));
      }),
      { numRuns: 400 },
    );
  });

  if (digestAt(vector.codec, vector.bytes.length) === undefined) continue;
  test(`${name} with any bit flipped, or cut anywhere, is refused`, () => {
    for (let at = 0; at < vector.bytes.length; at++) {
      const flipped = Buffer.from(vector.bytes);
      flipped[at]! ^= 1 << (at % 8);
      const refused = (bytes: Buffer) =>
        assert.throws(
          () => codecs[vector.codec]!.decode(bytes),
          (error) => isEverfullError(error, 'damaged', 'repository-newer'),
          `byte ${at}`,
        );
      refused(flipped);
      refused(vector.bytes.subarray(0, at));
    }
  });
}

test('random bytes are cleanly refused by every codec, or read', () => {
  fc.assert(
    fc.property(fc.constantFrom(...vectors), fc.uint8Array({ maxLength: 300 }), (vector, bytes) => {
      decodesOrRefuses(vector, Buffer.from(bytes));
    }),
    { numRuns: 2000 },
  );
});

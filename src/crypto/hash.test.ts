import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hexOf } from '../base/mod.ts';
import { deriveKey, digest, equalDigests, KeyedHash } from './hash.ts';

/** From test_vectors.json of the BLAKE3 team: length of input, hash, keyed hash, derived key, 32 bytes each. */
const OFFICIAL: readonly [number, string, string, string][] = [
  [
    0,
    'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262',
    '92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26',
    '2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d',
  ],
  [
    1,
    '2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213',
    '6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b',
    'b3e2e340a117a499c6cf2398a19ee0d29cca2bb7404c73063382693bf66cb06c',
  ],
  [
    1025,
    'd00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444',
    '357dc55de0c7e382c900fd6e320acc04146be01db6a8ce7210b7189bd664ea69',
    'effaa245f065fbf82ac186839a249707c3bddf6d3fdda22d1b95a3c970379bcb',
  ],
  [
    2049,
    '5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030',
    '9f29700902f7c86e514ddc4df1e3049f258b2472b6dd5267f61bf13983b78dd5',
    '2ea477c5515cc3dd606512ee72bb3e0e758cfae7232826f35fb98ca1bcbdf273',
  ],
  [
    5121,
    '628bd2cb2004694adaab7bbd778a25df25c47b9d4155a55f8fbd79f2fe154cff',
    '6ccf1c34753e7a044db80798ecd0782a8f76f33563accaddbfbb2e0ea4b2d024',
    'b07f01e518e702f7ccb44a267e9e112d403a7b3f4883a47ffbed4b48339b3c34',
  ],
];
const KEY = Buffer.from('whats the Elvish word for friend');
const CONTEXT = 'BLAKE3 2019-12-27 16:29:52 test vectors context';
const input = (length: number) => Buffer.from(Array.from({ length }, (_, i) => i % 251));

test('hash, keyed hash and derived key are those of the official vectors', () => {
  const keyed = new KeyedHash(KEY);
  for (const [length, hash, keyedHash, derived] of OFFICIAL) {
    assert.equal(hexOf(digest(input(length))), hash);
    assert.equal(hexOf(keyed.digest(input(length))), keyedHash);
    assert.equal(hexOf(deriveKey(CONTEXT, input(length))), derived);
  }
});

test('the same bytes in any parts have the same digest', () => {
  const keyed = new KeyedHash(KEY);
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 6 }), (parts) => {
      const whole = Buffer.concat(parts);
      assert.deepEqual(digest(...parts), digest(whole));
      assert.deepEqual(keyed.digest(...parts), keyed.digest(whole));
    }),
  );
});

test('shared memory, and views into it, are hashed like any other', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(4000)).subarray(100, 2149);
  shared.set(input(2049));
  assert.deepEqual(digest(shared), digest(input(2049)));
  assert.deepEqual(new KeyedHash(KEY).digest(shared), new KeyedHash(KEY).digest(input(2049)));
});

test('a digest stays as it was when the hasher is used again, and when its key is cleared', () => {
  const key = Buffer.from(KEY);
  const keyed = new KeyedHash(key);
  const first = keyed.digest(input(1));
  key.fill(0);
  keyed.digest(input(2));
  assert.deepEqual(first, keyed.digest(input(1)));
});

test('a key of another length than 32 bytes is refused', () => {
  for (const length of [0, 31, 33]) assert.throws(() => new KeyedHash(new Uint8Array(length)), RangeError);
});

test('equalDigests() compares contents and lengths', () => {
  assert.ok(equalDigests(input(32), input(32)));
  assert.ok(!equalDigests(input(32), input(31)));
  assert.ok(!equalDigests(input(32), input(33).subarray(1)));
});

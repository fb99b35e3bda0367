import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { ZstdParameter, zstdCompressor } from './zstd.ts';

const compress = zstdCompressor([
  [ZstdParameter.compressionLevel, 2],
  [ZstdParameter.hashLog, 15],
])!;

test('node:zlib expands what it makes, one call after another, from shared memory too', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), fc.nat(200_000), (text, more) => {
      const plain = new Uint8Array(new SharedArrayBuffer(text.length + more + 3), 3);
      plain.set(text);
      const target = Buffer.alloc(plain.length + 100);
      const length = compress(target, plain)!;
      assert.deepEqual(Buffer.from(zstdDecompressSync(target.subarray(0, length))), Buffer.from(plain));
    }),
  );
});

test('what does not fit is left, and the next call works', () => {
  const plain = Buffer.from('some text that is not long');
  assert.equal(compress(Buffer.alloc(10), plain), undefined);
  assert.ok(compress(Buffer.alloc(100), plain)! > 0);
});

test('a parameter that zstd does not know is refused', () => {
  assert.throws(() => zstdCompressor([[12345, 1]]), RangeError);
  assert.throws(() => zstdCompressor([[ZstdParameter.hashLog, 99]]), RangeError);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  bufferOf,
  byteStringFromText,
  byteStringOf,
  bytesFromHex,
  bytesOf,
  displayText,
  equalBytes,
  hexOf,
} from './bytes.ts';

test('bytes become byte strings and hexadecimal and come back as they were', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const text = byteStringOf(bytes);
      assert.equal(text.length, bytes.length);
      assert.ok(equalBytes(bytesOf(text), bytes));
      assert.ok(equalBytes(bytesFromHex(hexOf(bytes)), bytes));
      assert.ok(equalBytes(bufferOf(bytes), bytes));
    }),
  );
});

test('byte strings are ordered as their bytes are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 6 }), fc.uint8Array({ maxLength: 6 }), (a, b) => {
      const [first, second] = [byteStringOf(a), byteStringOf(b)];
      assert.equal(Math.sign(Buffer.compare(a, b)), first < second ? -1 : first > second ? 1 : 0);
    }),
  );
});

test('text becomes UTF-8 bytes and is shown again; other bytes are shown as replacement characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const bytes = byteStringFromText(text);
      assert.ok(equalBytes(bytesOf(bytes), Buffer.from(text, 'utf8')));
      assert.equal(displayText(bytes), text);
    }),
  );
  assert.equal(displayText('a\xffb'), 'a\ufffdb');
});

test('a buffer over a view of shared memory sees the same bytes', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(8), 2, 4);
  shared.set([1, 2, 3, 4]);
  const view = bufferOf(shared);
  assert.equal(hexOf(view), '01020304');
  shared[0] = 9;
  assert.equal(view[0], 9);
  assert.equal(equalBytes(view, shared), true);
  assert.equal(equalBytes(view, shared.subarray(1)), false);
});

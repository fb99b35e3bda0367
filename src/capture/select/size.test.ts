import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEverfullError } from '../../base/mod.ts';
import { parseSize } from './size.ts';

test('parseSize() reads bytes and binary units in either case', () => {
  const cases: [text: string, size: number][] = [
    ['0', 0],
    ['2048', 2048],
    ['5b', 5],
    ['5B', 5],
    ['1k', 1024],
    ['10K', 10_240],
    ['20m', 20 * 2 ** 20],
    ['20M', 20 * 2 ** 20],
    ['30g', 30 * 2 ** 30],
    ['2T', 2 * 2 ** 40],
  ];
  for (const [text, size] of cases) assert.equal(parseSize(text), size, text);
});

test('parseSize() refuses anything else, and numbers beyond 2^53', () => {
  for (const text of [
    '',
    'k',
    '1kb',
    '1KiB',
    '-1',
    '1.5M',
    ' 1',
    '1 k',
    '0x10',
    '1e3',
    '9007199254740992',
    '9000T',
  ]) {
    assert.throws(
      () => parseSize(text),
      (error) => isEverfullError(error, 'usage') && error.message.includes(`"${text}"`),
      text,
    );
  }
});

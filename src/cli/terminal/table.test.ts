import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tableLines } from './table.ts';

test('tableLines() lines up columns, numbers to the right, and cells of several lines', () => {
  const lines = tableLines(
    [{ title: 'ID' }, { title: 'Paths' }, { title: 'Size', align: 'right' }],
    [
      ['abc', ['/a', '/b'], '5 B'],
      ['defg', '文', '1.000 KiB'],
    ],
  );
  assert.deepEqual(lines, [
    'ID    Paths       Size',
    '----------------------',
    'abc   /a           5 B',
    '      /b',
    'defg  文     1.000 KiB',
    '----------------------',
  ]);
});

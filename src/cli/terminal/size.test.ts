import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes, formatDuration } from './size.ts';

test('formatBytes() uses the largest binary unit that the number reaches, with three decimals', () => {
  const cases: [number | bigint, string][] = [
    [0, '0 B'],
    [1, '1 B'],
    [1023, '1023 B'],
    [1024, '1.000 KiB'],
    [1536, '1.500 KiB'],
    [2 ** 20 - 1, '1023.999 KiB'],
    [2 ** 20, '1.000 MiB'],
    [1_325_000_000, '1.234 GiB'],
    [2 ** 40, '1.000 TiB'],
    [5000 * 2 ** 40, '5000.000 TiB'],
    [2n ** 30n, '1.000 GiB'],
    [12n, '12 B'],
  ];
  for (const [count, text] of cases) assert.equal(formatBytes(count), text, String(count));
});

test('formatDuration() shows hours only from one hour on, and cuts off fractions', () => {
  const cases: [number, string][] = [
    [0, '0:00'],
    [999, '0:00'],
    [5_000, '0:05'],
    [61_999, '1:01'],
    [754_000, '12:34'],
    [3_599_999, '59:59'],
    [3_600_000, '1:00:00'],
    [3_723_000, '1:02:03'],
    [100 * 3_600_000, '100:00:00'],
  ];
  for (const [milliseconds, text] of cases) assert.equal(formatDuration(milliseconds), text);
});

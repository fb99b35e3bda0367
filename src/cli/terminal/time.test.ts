import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { isEverfullError } from '../../base/mod.ts';
import { parseTime } from './time.ts';

const NOW = new Date(2026, 2, 29, 14, 5, 59, 250).getTime();

test('parseTime() reads dates and times of day as local time', () => {
  const cases: [string, number][] = [
    ['2026-03-29', new Date(2026, 2, 29).getTime()],
    ['2026-03-29 14:05', new Date(2026, 2, 29, 14, 5).getTime()],
    ['2012-11-01 22:08:41', new Date(2012, 10, 1, 22, 8, 41).getTime()],
    ['2012-11-01T22:08:41', new Date(2012, 10, 1, 22, 8, 41).getTime()],
    ['2024-02-29', new Date(2024, 1, 29).getTime()],
    [' 2026-01-01 ', new Date(2026, 0, 1).getTime()],
  ];
  for (const [text, time] of cases) assert.equal(parseTime(text, NOW), time, text);
});

test('parseTime() reads RFC 3339 with its zone, to the millisecond', () => {
  const cases: [string, string][] = [
    ['2026-03-29T14:05:59Z', '2026-03-29T14:05:59.000Z'],
    ['2026-03-29t14:05:59z', '2026-03-29T14:05:59.000Z'],
    ['2026-03-29 14:05:59Z', '2026-03-29T14:05:59.000Z'],
    ['2026-03-29T14:05:59.5+02:00', '2026-03-29T12:05:59.500Z'],
    ['2026-03-29T14:05:59.123456789-05:30', '2026-03-29T19:35:59.123Z'],
    ['2026-12-31 23:59 -01:00', '2027-01-01T00:59:00.000Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
  ];
  for (const [text, time] of cases) assert.equal(new Date(parseTime(text, NOW)).toISOString(), time, text);
});

test('parseTime() reads ages back from now, by the calendar from days on', () => {
  const cases: [string, number][] = [
    ['now', NOW],
    ['0s', NOW],
    ['2h ago', NOW - 2 * 3_600_000],
    ['2h', NOW - 2 * 3_600_000],
    ['90min', NOW - 90 * 60_000],
    ['1h30min5s ago', NOW - (5400 + 5) * 1000],
    ['3d', new Date(2026, 2, 26, 14, 5, 59, 250).getTime()],
    ['2w ago', new Date(2026, 2, 15, 14, 5, 59, 250).getTime()],
    ['1m', new Date(2026, 1, 29, 14, 5, 59, 250).getTime()],
    ['1y2m3d', new Date(2025, 0, 26, 14, 5, 59, 250).getTime()],
    ['1y 2m 3d ago', new Date(2025, 0, 26, 14, 5, 59, 250).getTime()],
    ['500y', new Date(1526, 2, 29, 14, 5, 59, 250).getTime()],
  ];
  for (const [text, time] of cases) assert.equal(parseTime(text, NOW), time, text);
});

test('parseTime() counts a day as a calendar day where the clocks change', () => {
  const script = `
    import { parseTime } from ${JSON.stringify(import.meta.resolve('./time.ts'))};
    const now = Date.parse('2026-03-29T12:00:00Z');
    console.log(new Date(parseTime('1d', now)).toISOString());
    console.log(new Date(parseTime('24h', now)).toISOString());
    console.log(new Date(parseTime('2026-03-29 01:30', now)).toISOString());`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, TZ: 'Europe/Berlin' },
    encoding: 'utf8',
  });
  assert.deepEqual(stdout.trim().split('\n'), [
    '2026-03-28T13:00:00.000Z',
    '2026-03-28T12:00:00.000Z',
    '2026-03-29T00:30:00.000Z',
  ]);
});

test('parseTime() refuses what is no time, and dates that do not exist', () => {
  const texts = [
    ...['', 'ago', 'yesterday', '3', '3x', '-3d', '3d2y', 'now ago', '1.5h', '2026', '2026-03', '26-03-29'],
    ...[
      '2026-3-29',
      '2026-02-29',
      '2026-04-31',
      '2026-13-01',
      '2026-00-10',
      '2026-01-00',
      '2026-01-01 24:00',
    ],
    ...[
      '2026-01-01 12:60',
      '2026-01-01 12:00:60',
      '2026-01-01 12',
      '2026-01-01T12:00:00+25:00',
      '2026-01-01Z',
    ],
    '9'.repeat(30).concat('y'),
  ];
  for (const text of texts) {
    assert.throws(
      () => parseTime(text, NOW),
      (error) => isEverfullError(error, 'usage') && error.message.includes(`"${text}"`),
      text,
    );
  }
});

test('parseTime() reads back what Date writes', () => {
  const date = fc.date({
    min: new Date('0001-01-01T00:00:00Z'),
    max: new Date('9999-12-31T00:00:00Z'),
    noInvalidDate: true,
  });
  fc.assert(fc.property(date, (time) => parseTime(time.toISOString(), NOW) === time.getTime()));
});

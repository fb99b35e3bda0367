import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  below,
  EMPTY_PAGE,
  markdownOf,
  median,
  medianOfEach,
  missesOf,
  type Report,
  show,
  timesLess,
  withMeasurements,
} from './report.ts';

test('the median is the middle value, or the mean of the two in the middle', () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([4, 1, 2, 100]), 3);
  assert.equal(median([10, 9]), 9.5);
  assert.throws(() => median([]));
});

test('medians are taken for each tool apart', () => {
  const samples = { everfull: [{ ms: 3 }, { ms: 1 }, { ms: 2 }], borg: [{ ms: 7 }] };
  assert.deepEqual(
    medianOfEach(samples, (sample) => sample.ms),
    { everfull: 2, borg: 7 },
  );
});

test('a floor against another tool is met at exactly the factor, and not judged without the tool', () => {
  assert.equal(timesLess({ everfull: 10, restic: 30 }, 'restic', 3)[0]!.met, true);
  assert.equal(timesLess({ everfull: 10, restic: 29.9 }, 'restic', 3)[0]!.met, false);
  assert.deepEqual(timesLess({ everfull: 10 }, 'restic', 3), []);
});

test('a limit that is reached is missed', () => {
  assert.equal(below(299, 300, 'ms').met, true);
  assert.equal(below(300, 300, 'ms').met, false);
});

test('numbers are shown in the unit that fits', () => {
  assert.equal(show(5.25, 'ms'), '5.3 ms');
  assert.equal(show(150, 'ms'), '150 ms');
  assert.equal(show(23_400, 'ms'), '23.4 s');
  assert.equal(show(-1200, 'ms'), '-1.20 s');
  assert.equal(show(512, 'bytes'), '512 B');
  assert.equal(show(64 * 1024, 'bytes'), '64.0 KiB');
  assert.equal(show(1.5 * 2 ** 30, 'bytes'), '1.50 GiB');
  assert.equal(show(138_000, 'count'), '138,000');
});

const REPORT: Report = {
  facts: { Machine: 'two cores' },
  rows: [
    {
      row: 'first',
      title: 'First backup',
      lines: [
        {
          label: 'time',
          unit: 'ms',
          values: { everfull: 2000, restic: 5000 },
          floors: timesLess({ everfull: 2000, restic: 5000 }, 'restic', 3),
        },
        { label: 'stored', unit: 'bytes', values: { everfull: 10 }, floors: [below(10, 20, 'bytes')] },
      ],
      stages: { hash: 10, read: 20 },
    },
    { row: 'find', title: 'find', lines: [], failure: 'Could not find | it\nat all' },
  ],
};

test('the table shows values, ratios, floors, verdicts, failures and stages', () => {
  const cells = markdownOf(REPORT, 'By hand.\n')
    .split('\n')
    .map((line) => line.replaceAll(/ +/g, ' '));
  assert.ok(cells.includes('- Machine: two cores'));
  assert.ok(cells.includes('| time | 2.00 s | 5.00 s | | 2.50 × | | ≥ 3 × restic | MISSED: 2.50 × |'));
  assert.ok(cells.includes('| stored | 10 B | | | | | < 20 B | met: 10 B |'));
  assert.ok(cells.includes('| failed: Could not find \\| it | | | | | | | MISSED |'));
  assert.ok(cells.indexOf('| read | 20 ms |') < cells.indexOf('| hash | 10 ms |'));
  assert.equal(cells.at(-2), 'By hand.');
});

test('misses name the row, what was wanted and what was found, and count rows that failed', () => {
  assert.deepEqual(missesOf(REPORT), [
    'First backup, time: wanted ≥ 3 × restic, found 2.50 ×',
    'find: Could not find | it\nat all',
  ]);
});

test('new measurements replace the old ones and leave the prose around them', () => {
  const page = `${withMeasurements(EMPTY_PAGE, 'old\n')}\nBy hand.\n`;
  const next = withMeasurements(page, 'new $1 $&\n');
  assert.equal(
    next,
    page.replace('old', () => 'new $1 $&'),
  );
  assert.notEqual(next, page);
});

test('a page without its marks, or with two pairs, is refused', () => {
  assert.throws(() => withMeasurements('# Performance\n', 'new\n'), /Could not find one pair/);
  assert.throws(() => withMeasurements(EMPTY_PAGE + EMPTY_PAGE, 'new\n'), /Could not find one pair/);
});

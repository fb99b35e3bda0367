import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addDuration,
  applyPolicy,
  type Candidate,
  type KeepPolicy,
  keepsSomething,
  parseKeepDuration,
} from './policy.ts';

const at = (text: string, tags: string[] = []): Candidate => ({ time: new Date(text).getTime(), tags });

function kept(images: readonly Candidate[], policy: KeepPolicy): string[] {
  return applyPolicy(images, policy)
    .filter(({ reasons }) => reasons.length > 0)
    .map(({ image, reasons }) => `${new Date(image.time).toString().slice(4, 21)}: ${reasons.join(', ')}`);
}

test('of each period the newest image stays', () => {
  const images = [
    at('2026-03-01T08:00'),
    at('2026-03-01T20:00'),
    at('2026-03-02T08:00'),
    at('2026-03-02T08:30'),
    at('2026-03-31T12:00'),
    at('2026-04-01T12:00'),
  ];
  assert.deepEqual(kept(images, { counts: { daily: 3 } }), [
    'Apr 01 2026 12:00: daily',
    'Mar 31 2026 12:00: daily',
    'Mar 02 2026 08:30: daily',
  ]);
  assert.deepEqual(kept(images, { counts: { monthly: 2, hourly: 4 } }), [
    'Apr 01 2026 12:00: hourly, monthly',
    'Mar 31 2026 12:00: hourly, monthly',
    'Mar 02 2026 08:30: hourly',
    'Mar 01 2026 20:00: hourly',
  ]);
});

test('while a count is not used up the oldest image stays, so that the history can grow to its length', () => {
  const images = [at('2026-03-01T08:00'), at('2026-03-01T20:00'), at('2026-03-02T08:00')];
  assert.deepEqual(kept(images, { counts: { daily: 2 } }), [
    'Mar 02 2026 08:00: daily',
    'Mar 01 2026 20:00: daily',
  ]);
  assert.deepEqual(kept(images, { counts: { daily: 3 } }), [
    'Mar 02 2026 08:00: daily',
    'Mar 01 2026 20:00: daily',
    'Mar 01 2026 08:00: oldest daily',
  ]);
});

test('a week begins on Monday, also over the turn of a year', () => {
  const images = [
    at('2026-12-27T12:00'),
    at('2026-12-28T12:00'),
    at('2027-01-03T12:00'),
    at('2027-01-04T12:00'),
  ];
  assert.deepEqual(kept(images, { counts: { weekly: 2 } }), [
    'Jan 04 2027 12:00: weekly',
    'Jan 03 2027 12:00: weekly',
  ]);
});

test('times are counted back from the newest image, by the calendar', () => {
  const images = [
    at('2026-02-27T12:00'),
    at('2026-02-28T11:00'),
    at('2026-02-28T13:00'),
    at('2026-03-31T12:00'),
  ];
  assert.deepEqual(kept(images, { within: { last: { years: 0, months: 0, days: 31, hours: 0 } } }), [
    'Mar 31 2026 12:00: within',
    'Feb 28 2026 13:00: within',
  ]);
  assert.deepEqual(kept(images, { within: { daily: { years: 1, months: 0, days: 0, hours: 0 } } }), [
    'Mar 31 2026 12:00: daily within',
    'Feb 28 2026 13:00: daily within',
    'Feb 27 2026 12:00: daily within',
  ]);
});

test('tags keep images that have all of a list', () => {
  const images = [
    at('2026-01-01T00:00', ['a']),
    at('2026-01-02T00:00', ['a', 'b']),
    at('2026-01-03T00:00', ['c']),
  ];
  assert.deepEqual(kept(images, { tags: ['a,b', 'c'] }), [
    'Jan 03 2026 00:00: has its tags',
    'Jan 02 2026 00:00: has its tags',
  ]);
});

test('no rule keeps more images than its count, and the newest always stays', () => {
  const time = fc.integer({ min: 1_700_000_000, max: 1_800_000_000 }).map((seconds) => seconds * 1000);
  const policy = fc.constantFrom('last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly');
  fc.assert(
    fc.property(
      fc.uniqueArray(time, { minLength: 1 }),
      policy,
      fc.integer({ min: 1, max: 9 }),
      (times, rule, count) => {
        const images = times.map((one) => ({ time: one, tags: [] }));
        const verdicts = applyPolicy(images, { counts: { [rule]: count } });
        const stay = verdicts.filter(({ reasons }) => reasons.length > 0);
        assert.equal(verdicts.length, images.length);
        assert.ok(stay.length >= 1 && stay.length <= count);
        assert.equal(stay[0]!.image.time, Math.max(...times));
        if (stay.length < count && rule !== 'last') assert.equal(stay.at(-1)!.image.time, Math.min(...times));
      },
    ),
  );
});

test('durations are read in years, months, days and hours, in this order', () => {
  assert.deepEqual(parseKeepDuration('1y5m7d2h'), { years: 1, months: 5, days: 7, hours: 2 });
  assert.deepEqual(parseKeepDuration('36h'), { years: 0, months: 0, days: 0, hours: 36 });
  for (const text of ['', '7', '2h1d', '-1d', '1w', '1d '])
    assert.equal(parseKeepDuration(text), undefined, text);
});

test('a policy that keeps nothing is told apart', () => {
  assert.equal(keepsSomething({}), false);
  assert.equal(keepsSomething({ counts: { daily: 0 }, tags: [] }), false);
  assert.equal(keepsSomething({ tags: ['a'] }), true);
  assert.equal(keepsSomething({ within: { last: { years: 0, months: 0, days: 1, hours: 0 } } }), true);
  assert.equal(keepsSomething({ counts: { last: Number.POSITIVE_INFINITY } }), true);
});

test('a duration is added by the calendar', () => {
  const add = (text: string, duration: string) =>
    new Date(addDuration(new Date(text).getTime(), parseKeepDuration(duration)!)).toString().slice(4, 21);
  assert.equal(add('2026-01-31T12:00', '30d'), 'Mar 02 2026 12:00');
  assert.equal(add('2026-01-15T12:00', '1y1m1d1h'), 'Feb 16 2027 13:00');
});

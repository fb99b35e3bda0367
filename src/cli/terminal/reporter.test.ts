import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../base/mod.ts';
import { progressLine, Reporter } from './reporter.ts';

function reporterAt(options: { json?: boolean; quiet?: boolean; isTTY?: boolean }) {
  const written: string[] = [];
  const statuses: object[] = [];
  const time = { ms: 0 };
  const reporter = new Reporter({
    screen: { isTTY: options.isTTY ?? true, columns: 60, write: (text) => written.push(text) },
    clock: { ...systemClock, now: () => time.ms, monotonic: () => time.ms },
    json: options.json ?? false,
    quiet: options.quiet ?? false,
    status: (status) => statuses.push(status),
  });
  reporter.statusOf = (progress) => ({ bytes_done: progress.bytesDone });
  return { reporter, written, statuses, time };
}

const PROGRESS = { filesDone: 1, bytesDone: 2048, errors: 0 };

test('Reporter redraws at most ten times a second, within the width of the terminal', () => {
  const { reporter, written, time } = reporterAt({});
  for (time.ms = 0; time.ms < 1000; time.ms += 5)
    reporter.progress({ ...PROGRESS, current: 'x'.repeat(200) });
  assert.equal(written.length, 9);
  for (const line of written) assert.ok(line.length <= 59 + '\r\x1b[K'.length);
});

test('Reporter is silent where there is no terminal, and when told to be quiet', () => {
  for (const options of [{ isTTY: false }, { quiet: true }, { json: true, quiet: true }]) {
    const { reporter, written, statuses, time } = reporterAt(options);
    time.ms = 5000;
    reporter.progress(PROGRESS);
    assert.deepEqual([written, statuses], [[], []]);
  }
});

test('Reporter gives programs one status a second', () => {
  const { reporter, statuses, time } = reporterAt({ json: true, isTTY: false });
  for (time.ms = 0; time.ms < 3500; time.ms += 10) reporter.progress(PROGRESS);
  assert.deepEqual(statuses, Array(3).fill({ bytes_done: 2048 }));
});

test('Reporter takes the line away before it prints an error', () => {
  const { reporter, written, time } = reporterAt({});
  time.ms = 200;
  reporter.progress(PROGRESS);
  reporter.problem({ item: '/a\n', during: 'read', error: new Error('could not\x1b') });
  assert.deepEqual(written.slice(1), ['\r\x1b[K', 'error: /a\\n: could not\\x1b\n']);
  assert.equal(reporter.errors, 1);
});

test('Reporter prints errors for programs as restic does', () => {
  const { reporter, written } = reporterAt({ json: true });
  reporter.problem({ item: '/a', during: 'read', error: new Error('no') });
  assert.deepEqual(JSON.parse(written[0]!), {
    message_type: 'error',
    error: { message: 'no' },
    during: 'read',
    item: '/a',
  });
});

test('progressLine() shows totals, speed and the time left once they are known', () => {
  assert.equal(progressLine(PROGRESS, 1000), '[0:01]  1 files, 2.000 KiB, 2.000 KiB/s');
  assert.equal(
    progressLine({ ...PROGRESS, filesTotal: 4, bytesTotal: 8192, errors: 1 }, 2000),
    '[0:02] 25.0%  1 of 4 files, 2.000 KiB of 8.000 KiB, 1.000 KiB/s, 0:06 left, 1 error',
  );
});

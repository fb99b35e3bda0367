import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EverfullError } from '../../base/mod.ts';
import { failureOf } from './failure.ts';

test('failureOf() says what, why and what to do, and gives the exit code of the error', () => {
  const cause = new Error('ENOENT: no such file', { cause: new Error('no such file') });
  const error = new EverfullError('repository-missing', 'Could not open "/x\n": none', {
    advice: 'Check.',
    cause,
  });
  assert.deepEqual(failureOf(error), {
    exitCode: 10,
    lines: ['everfull: Could not open "/x\\n": none', '  because: ENOENT: no such file', '  Check.'],
    message: 'Could not open "/x\\n": none: ENOENT: no such file',
  });
});

test('failureOf() reports what nobody foresaw with 2, and its stack only for debugging', () => {
  const failure = failureOf(new TypeError('x is undefined'));
  assert.equal(failure.exitCode, 2);
  assert.ok(failure.lines.every((line) => !line.includes('    at ')));
  assert.ok(failureOf(new TypeError('x'), true).lines.some((line) => line.includes('    at ')));
});

test('failureOf() takes a refused system call for an ordinary failure', () => {
  const error = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
  assert.equal(failureOf(error).exitCode, 1);
});

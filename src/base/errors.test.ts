import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packError, unpackError } from './carried-error.ts';
import { EverfullError, errnoOf, isEverfullError } from './errors.ts';

function carried(error: unknown): Error {
  return unpackError(structuredClone(packError(error)));
}

test('an operating error keeps code, context, advice and causes on its way between threads', () => {
  const cause = Object.assign(new Error('EIO: the disk said no'), { code: 'EIO' });
  const error = new EverfullError('damaged', 'Could not read "x": it is broken', {
    context: { at: 7, name: 'x' },
    advice: 'Mend it.',
    cause,
  });
  const again = carried(error);
  assert.ok(isEverfullError(again, 'damaged'));
  assert.equal(again.message, error.message);
  assert.deepEqual(again.context, error.context);
  assert.equal(again.advice, 'Mend it.');
  assert.equal(errnoOf(again.cause), 'EIO');
});

test('other errors keep their name and errno, and what is no error becomes one', () => {
  const range = carried(new RangeError('too far'));
  assert.equal(range.name, 'RangeError');
  assert.equal(range.message, 'too far');
  assert.equal(errnoOf(range), undefined);
  assert.equal(errnoOf(carried(Object.assign(new Error('gone'), { code: 'ENOENT' }))), 'ENOENT');
  assert.equal(carried('just words').message, 'just words');
});

test('an error that is its own cause travels all the same', () => {
  const error = new Error('round and round');
  error.cause = error;
  assert.equal(carried(error).message, 'round and round');
});

test('errno names are told from other codes', () => {
  assert.equal(errnoOf({ code: 'ENOENT' }), 'ENOENT');
  assert.equal(errnoOf({ code: 'E2BIG' }), 'E2BIG');
  assert.equal(errnoOf({ code: 'ERR_INVALID_ARG' }), undefined);
  assert.equal(errnoOf(new EverfullError('io', 'no')), undefined);
  assert.equal(errnoOf(undefined), undefined);
  assert.equal(isEverfullError(new EverfullError('io', 'no'), 'damaged', 'io'), true);
  assert.equal(isEverfullError(new Error('no')), false);
});

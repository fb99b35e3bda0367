import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EverfullError } from '../../base/mod.ts';
import { isTransient } from '../store.ts';
import { networkError, refusalError } from './s3-error.ts';

const errorOf = (status: number, code = '') =>
  refusalError('put object "a" in "s3:http://h/b"', { status, code });

test('refusalError() says what could not be done and what the server answered', () => {
  const error = errorOf(403, 'AccessDenied');
  assert.equal(
    error.message,
    'cannot put object "a" in "s3:http://h/b": the server answered 403 AccessDenied',
  );
  assert.match(error.advice!, /policy/);
  assert.match(errorOf(500).message, /the server answered 500$/);
});

test('refusalError() calls transient what may pass by itself, and nothing else', () => {
  for (const [status, code] of [
    [500, 'InternalError'],
    [502, ''],
    [503, 'SlowDown'],
    [504, ''],
    [429, ''],
    [408, ''],
    [400, 'RequestTimeout'],
    [409, 'ConditionalRequestConflict'],
    [409, 'OperationAborted'],
  ] as const) {
    assert.ok(isTransient(errorOf(status, code)), `${status} ${code}`);
    assert.equal(errorOf(status, code).code, 'io');
  }
  for (const [status, code] of [
    [403, 'AccessDenied'],
    [403, 'SignatureDoesNotMatch'],
    [404, 'NoSuchBucket'],
    [400, 'InvalidArgument'],
    [301, 'PermanentRedirect'],
  ] as const) {
    assert.ok(!isTransient(errorOf(status, code)), `${status} ${code}`);
    assert.equal(errorOf(status, code).code, 'io');
  }
});

test('refusalError() knows a full store, and one that cannot do what was asked', () => {
  for (const [status, code] of [
    [403, 'QuotaExceeded'],
    [507, ''],
    [507, 'XMinioStorageFull'],
  ] as const) {
    assert.equal(errorOf(status, code).code, 'disk-full');
    assert.ok(!isTransient(errorOf(status, code)));
  }
  assert.equal(errorOf(501, 'NotImplemented').code, 'unsupported');
  assert.ok(!isTransient(errorOf(501, 'NotImplemented')));
});

test('networkError() calls transient what may pass by itself, and nothing else', () => {
  const of = (code: string) => networkError('read', Object.assign(new Error('it failed'), { code }));
  for (const code of ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'EAI_AGAIN']) {
    assert.ok(isTransient(of(code)), code);
  }
  for (const code of ['ENOTFOUND', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'EPROTO', 'HPE_INVALID_CONSTANT']) {
    assert.ok(!isTransient(of(code)), code);
    assert.notEqual(of(code).advice, undefined, code);
  }
  assert.equal(of('EPIPE').message, 'cannot read: it failed (EPIPE)');
});

test('networkError() leaves operating errors as they are, and throws what is a bug', () => {
  const known = new EverfullError('damaged', 'known');
  assert.equal(networkError('read', known), known);
  assert.throws(() => networkError('read', new TypeError('a bug')), TypeError);
  assert.throws(() => networkError('read', undefined), /Cannot/);
});

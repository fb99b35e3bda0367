import assert from 'node:assert/strict';
import { test } from 'node:test';
import { s3KeysFrom, s3PlaceAt } from './s3-location.ts';

test('s3PlaceAt() finds endpoint, bucket and prefix', () => {
  for (const [location, endpoint, bucket, prefix] of [
    ['s3:http://127.0.0.1:7480/bucket/some/prefix', 'http://127.0.0.1:7480', 'bucket', 'some/prefix'],
    ['s3:https://s3.example.org/bucket', 'https://s3.example.org', 'bucket', ''],
    ['s3:https://s3.example.org/bucket/', 'https://s3.example.org', 'bucket', ''],
    ['s3:s3.example.org/bucket/a.b-c_D', 'https://s3.example.org', 'bucket', 'a.b-c_D'],
    ['s3:s3.example.org:8443/bucket', 'https://s3.example.org:8443', 'bucket', ''],
    ['s3:http://[::1]:80/bucket/p/', 'http://[::1]', 'bucket', 'p'],
  ] as const) {
    assert.deepEqual(s3PlaceAt(location), { endpoint, bucket, prefix }, location);
  }
});

test('s3PlaceAt() refuses what names no bucket, or not in one way only', () => {
  for (const location of [
    's3:',
    's3:http://',
    's3:http://host',
    's3:http://host/',
    's3:http://host//prefix',
    's3:http://host/b',
    's3:http://host/bucket//prefix',
    's3:http://host/bucket/a b',
    's3:http://host/bucket/a%2fb',
    's3:http://host/bucket/ä',
    's3:http://host/bucket?region=here',
    's3:http://host/bucket#part',
    's3:http://host:port/bucket',
    's3:ftp://host/bucket',
  ]) {
    assert.throws(
      () => s3PlaceAt(location),
      { code: 'usage', message: /Could not use the repository/ },
      location,
    );
  }
});

test('s3PlaceAt() refuses keys in an address, and does not repeat them', () => {
  for (const location of [
    's3:http://ACCESS:SECRET@host/bucket',
    's3:https://ACCESS:SEC/RET@host/bucket',
    's3:ACCESS:SECRET@host/bucket',
  ]) {
    assert.throws(
      () => s3PlaceAt(location),
      (error: Error & { code: string; advice: string }) => {
        assert.equal(error.code, 'usage');
        assert.doesNotMatch(JSON.stringify([error.message, error]), /ACCESS:|SEC\b|SECRET@|RET@/);
        assert.match(error.advice, /AWS_ACCESS_KEY_ID/);
        return true;
      },
    );
  }
});

test('s3KeysFrom() takes the variables that other tools use', () => {
  const needed = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' };
  assert.deepEqual(s3KeysFrom({ ...needed, AWS_SESSION_TOKEN: '' }, 's3:'), {
    accessKey: 'id',
    secretKey: 'secret',
  });
  assert.deepEqual(
    s3KeysFrom({ ...needed, AWS_SESSION_TOKEN: 'token', AWS_DEFAULT_REGION: 'eu', AWS_REGION: 'us' }, 's3:'),
    { accessKey: 'id', secretKey: 'secret', sessionToken: 'token', region: 'eu' },
  );
});

test('s3KeysFrom() names the variable that is missing, and no key', () => {
  for (const variable of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) {
    const environment = { AWS_ACCESS_KEY_ID: 'the-id', AWS_SECRET_ACCESS_KEY: 'the-secret', [variable]: '' };
    assert.throws(
      () => s3KeysFrom(environment, 's3:http://host/bucket'),
      (error: Error & { code: string }) =>
        error.code === 'usage' && error.message.includes(variable) && !/the-/.test(error.message),
    );
  }
});

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isFolderLocation, openStore } from './location.ts';

test('isFolderLocation() tells paths from addresses', () => {
  for (const path of ['/srv/backup', 'backup', './s3:bucket', '../a', '/srv/s3:x', 'C:backup']) {
    assert.ok(isFolderLocation(path), path);
  }
  for (const address of ['s3:http://host/bucket', 'sftp:user@host:/srv', 'https://host/', 'b2:bucket']) {
    assert.ok(!isFolderLocation(address), address);
  }
});

test('openStore() refuses an address of a kind that it does not know, without repeating it', async () => {
  const options = { create: false, limits: {}, environment: {} };
  await assert.rejects(
    openStore('rest:https://user:secret@host/', options),
    (error: Error & { code: string }) => {
      assert.equal(error.code, 'unsupported');
      assert.match(error.message, /rest is not supported/);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    },
  );
});

test('openStore() wants the keys of an S3 store before it asks a server', async () => {
  const options = { create: false, limits: {}, environment: {} };
  await assert.rejects(openStore('s3:http://127.0.0.1:1/bucket', options), {
    code: 'usage',
    message: /AWS_ACCESS_KEY_ID is not set/,
  });
});

test('openStore() holds a folder to the limits', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'everfull-location-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const limits = { uploadBytesPerSecond: 1e9, downloadBytesPerSecond: 1e9 };
  const store = await openStore(folder, { create: false, limits, environment: {} });
  await store.putIfAbsent('a', [Buffer.from('bytes')]);
  assert.equal(Buffer.from(await store.get('a')).toString(), 'bytes');
  assert.equal('root' in store, false);
});

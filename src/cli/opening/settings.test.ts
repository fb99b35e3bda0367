import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { settingsOf } from './settings.ts';

test('settingsOf() takes a flag before the environment', () => {
  const environment = {
    EVERFULL_REPOSITORY: '/env',
    EVERFULL_PASSWORD: 'env',
    EVERFULL_CACHE_DIR: '/env-cache',
    EVERFULL_COMPRESSION: 'off',
  };
  const flags = { repo: '/flag', keyFile: '/key', cacheDir: '/cache', compression: 'max' };
  const settings = settingsOf(flags, environment);
  assert.equal(settings.location, '/flag');
  assert.equal(settings.sources.keyFile, '/key');
  assert.equal(settings.sources.password, undefined);
  assert.equal(settings.cacheFolder, '/cache');
  assert.equal(settings.compression, 'max');
});

test('settingsOf() falls back to the environment, where a variable set to nothing is not set', () => {
  const settings = settingsOf(
    {},
    { EVERFULL_REPOSITORY: '/env', EVERFULL_PASSWORD: 'env', EVERFULL_CACHE_DIR: '', HOME: '/h' },
  );
  assert.equal(settings.location, '/env');
  assert.equal(settings.sources.password, 'env');
  assert.equal(settings.cacheFolder, '/h/.cache/everfull');
});

test('settingsOf() reads the repository from a file, whose flag beats EVERFULL_REPOSITORY', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'everfull-settings-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'repository');
  writeFileSync(file, '/from-file\n');
  assert.equal(settingsOf({ repositoryFile: file }, { EVERFULL_REPOSITORY: '/env' }).location, '/from-file');
  assert.equal(settingsOf({}, { EVERFULL_REPOSITORY_FILE: file }).location, '/from-file');
  assert.throws(() => settingsOf({ repositoryFile: join(folder, 'none') }, {}), { code: 'io' });
  assert.throws(() => settingsOf({ repo: '/a', repositoryFile: file }, {}), { code: 'usage' });
});

test('settingsOf() keeps no cache with --no-cache, and ignores a relative XDG folder', () => {
  assert.equal(settingsOf({ cache: false, cacheDir: '/c' }, {}).cacheFolder, undefined);
  assert.equal(settingsOf({}, { XDG_CACHE_HOME: 'x', HOME: '/h' }).cacheFolder, '/h/.cache/everfull');
  assert.equal(settingsOf({}, { XDG_CACHE_HOME: '/x', HOME: '/h' }).cacheFolder, '/x/everfull');
});

test('settingsOf() takes limits in KiB/s, and refuses what is none', () => {
  assert.deepEqual(settingsOf({}, {}).limits, {});
  assert.deepEqual(settingsOf({ limitUpload: '100', limitDownload: '1' }, {}).limits, {
    uploadBytesPerSecond: 102_400,
    downloadBytesPerSecond: 1024,
  });
  for (const limitUpload of ['', '0', '-1', '1.5', '10k', 'fast']) {
    assert.throws(() => settingsOf({ limitUpload }, {}), { code: 'usage', message: /--limit-upload/ });
  }
});

test('settingsOf() refuses a compression that there is not', () => {
  assert.throws(() => settingsOf({ compression: 'lz4' }, {}), { code: 'usage', message: /"lz4"/ });
});

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { cleanCaches, listCaches, removeCache } from './cache.ts';

function cacheRoot(context: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), 'everfull-cache-'));
  context.after(() => rmSync(root, { recursive: true }));
  return root;
}

function addCache(root: string, id: string, used: Date): void {
  mkdirSync(join(root, id, 'deep'), { recursive: true });
  writeFileSync(join(root, id, 'deep', 'file'), Buffer.alloc(100));
  for (const path of ['deep/file', 'deep', '.']) utimesSync(join(root, id, path), used, used);
}

const A = 'a'.repeat(32);
const B = `b${'a'.repeat(31)}`;

test('listCaches() gives size and age of the folders of repositories, and nothing else', async (context) => {
  const root = cacheRoot(context);
  addCache(root, A, new Date(1000_000));
  addCache(root, B, new Date(2000_000));
  mkdirSync(join(root, 'compile'));
  writeFileSync(join(root, 'CACHEDIR.TAG'), '');
  assert.deepEqual(
    (await listCaches(root)).map(({ id, size, lastUsed }) => [id, size, lastUsed]),
    [
      [B, 100, 2000_000],
      [A, 100, 1000_000],
    ],
  );
  assert.deepEqual(await listCaches(join(root, 'none')), []);
});

test('removeCache() and cleanCaches() remove what was meant', async (context) => {
  const root = cacheRoot(context);
  addCache(root, A, new Date(1000_000));
  addCache(root, B, new Date(2000_000));
  await assert.rejects(removeCache(root, 'c'), { code: 'usage' });
  await assert.rejects(removeCache(root, ''), { code: 'usage' });
  assert.deepEqual(
    (await cleanCaches(root, 1500_000)).map(({ id }) => id),
    [A],
  );
  assert.equal((await removeCache(root, 'ba')).id, B);
  assert.deepEqual(await listCaches(root), []);
});

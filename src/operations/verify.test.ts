import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { StoreContext } from './context.ts';
import { block, damageChunk, withImages } from './testing/checked-repository.ts';
import type { SmallRepository } from './testing/small-repository.ts';
import { verify } from './verify.ts';

function contextOf(small: SmallRepository, stateFolder: string | undefined): StoreContext {
  const { repository, ...rest } = small.context({ stateFolder });
  return { ...rest, store: small.store, config: repository.config };
}

function stateFolderOf(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'everfull-verify-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const silent = { onDamage: () => {} };

test('what was verified is known to the next run of the same machine', async (context) => {
  const { small } = await withImages();
  const folder = stateFolderOf(context);
  const before = small.clock.time;
  const all = await verify(contextOf(small, folder), { ...silent, after: before });
  assert.equal(all.packsVerified, all.packs);
  small.clock.time += 1000;
  assert.equal((await verify(contextOf(small, folder), { ...silent, after: before })).packsVerified, 0);
  assert.equal(
    (await verify(contextOf(small, folder), { ...silent, after: small.clock.time })).packsVerified,
    all.packs,
  );
  assert.equal(
    (await verify(contextOf(small, undefined), { ...silent, after: before })).packsVerified,
    all.packs,
  );
});

test('a damaged pack is verified again, however lately it was looked at', async (context) => {
  const { small } = await withImages();
  const folder = stateFolderOf(context);
  damageChunk(small, block(1));
  const before = small.clock.time;
  const first = await verify(contextOf(small, folder), { ...silent, after: before });
  assert.equal(first.damagedFrames, 1);
  const second = await verify(contextOf(small, folder), { ...silent, after: before });
  assert.deepEqual([second.packsVerified, second.damagedFrames, second.recorded], [1, 1, 0]);
});

test('a list of verified packs that is damaged or cannot be written costs time only, and is told', async (context) => {
  const { small } = await withImages();
  const folder = stateFolderOf(context);
  await verify(contextOf(small, folder), silent);
  const file = join(folder, 'verified');
  const bytes = readFileSync(file);
  bytes[20]! ^= 1;
  writeFileSync(file, bytes);
  const again = await verify(contextOf(small, folder), { ...silent, after: small.clock.time });
  assert.equal(again.packsVerified, again.packs);
  assert.deepEqual(small.notices, []);
  const gone = join(folder, 'gone');
  assert.equal((await verify(contextOf(small, gone), silent)).packsVerified, again.packs);
  assert.equal(small.notices.length, 1);
});

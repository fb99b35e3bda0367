import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../base/mod.ts';
import { type Credential, createKeyFileSecret, parseRecoveryCode, SlotKind } from '../crypto/mod.ts';
import { Repository } from '../repository/mod.ts';
import { MemoryStore } from '../store/mod.ts';
import { init } from './init.ts';
import { listKeys, removeKey, replaceKey } from './keys.ts';

const clock = systemClock;

function keyFile(): Credential {
  return { kind: SlotKind.keyFile, secret: createKeyFileSecret() };
}

async function newRepository(recovery = false) {
  const store = new MemoryStore();
  const credential = keyFile();
  const { repository, recoveryCode } = await init(store, {
    keys: [{ credential, label: 'first' }],
    recovery,
    clock,
  });
  return { store, credential, repository, recoveryCode };
}

test('init() makes a repository that its key and its recovery code open', async () => {
  const { store, credential, recoveryCode } = await newRepository(true);
  await Repository.open(store, [credential]);
  const recovery: Credential = { kind: SlotKind.recovery, secret: parseRecoveryCode(recoveryCode!) };
  await Repository.open(store, [recovery]);
  assert.equal(
    (await listKeys(store, [recovery])).find(({ current }) => current)?.description?.kind,
    SlotKind.recovery,
  );
  await assert.rejects(Repository.open(store, [keyFile()]), { code: 'wrong-password' });
});

test('init() makes no recovery code that nobody asked for', async () => {
  const { store, credential, recoveryCode } = await newRepository();
  assert.equal(recoveryCode, undefined);
  assert.equal((await listKeys(store, [credential])).length, 1);
});

test('init() refuses a place where there is a repository', async () => {
  const { store, credential } = await newRepository();
  const again = init(store, { keys: [{ credential, label: '' }], recovery: false, clock });
  await assert.rejects(again, { code: 'repository-exists' });
});

test('listKeys() marks the slot in use among several of one kind', async () => {
  const { store, repository, credential } = await newRepository();
  const second = keyFile();
  const id = (await repository.addSlot(second, 'second', { clock })).toString('hex');
  const current = (await listKeys(store, [second])).filter((slot) => slot.current);
  assert.deepEqual(
    current.map((slot) => [slot.id, slot.description?.label]),
    [[id, 'second']],
  );
  assert.equal(
    (await listKeys(store, [credential])).find((slot) => slot.current)?.description?.label,
    'first',
  );
});

test('listKeys() shows a damaged slot', async () => {
  const { store, credential } = await newRepository();
  await store.putIfAbsent(`keys/slot/${'0'.repeat(16)}`, [Buffer.from('nonsense')]);
  const slots = await listKeys(store, [credential]);
  assert.deepEqual(
    slots.map(({ damage, current }) => [damage?.code, current]),
    [
      [undefined, true],
      ['damaged', false],
    ],
  );
});

test('removeKey() removes another key, and refuses the last one, the one in use, and an id that fits none', async () => {
  const { store, repository, credential } = await newRepository();
  const [first] = await listKeys(store, [credential]);
  await assert.rejects(removeKey(store, [credential], first!.id), { code: 'usage', message: /the last one/ });
  const second = keyFile();
  const id = (await repository.addSlot(second, 'second', { clock })).toString('hex');
  await assert.rejects(removeKey(store, [credential], first!.id), { code: 'usage', message: /open with it/ });
  await assert.rejects(removeKey(store, [credential], 'zz'), { code: 'usage' });
  await assert.rejects(removeKey(store, [credential], ''), { code: 'usage' });
  assert.equal((await removeKey(store, [credential], id)).id, id);
  await assert.rejects(Repository.open(store, [second]), { code: 'wrong-password' });
});

test('replaceKey() puts another key in the place of the one in use, under the same label', async () => {
  const { store, repository, credential } = await newRepository();
  const other = keyFile();
  await repository.addSlot(other, 'other', { clock });
  const next = keyFile();
  const id = await replaceKey(repository, [credential], { credential: next, label: undefined, clock });
  assert.equal((await listKeys(store, [next])).find((slot) => slot.id === id)?.description?.label, 'first');
  await assert.rejects(Repository.open(store, [credential]), { code: 'wrong-password' });
  for (const fitting of [next, other]) await Repository.open(store, [fitting]);
});

test('replaceKey() works with the same secret again', async () => {
  const { store, repository, credential } = await newRepository();
  await replaceKey(repository, [credential], { credential, label: 'again', clock });
  assert.deepEqual(
    (await listKeys(store, [credential])).map(({ description }) => description?.label),
    ['again'],
  );
});

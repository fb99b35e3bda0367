import assert from 'node:assert/strict';
import { argon2Sync } from 'node:crypto';
import { test } from 'node:test';
import { hexOf, isEverfullError } from '../base/mod.ts';
import { keySlotRecord, SlotKind } from '../format/mod.ts';
import { deriveKey, digest } from './hash.ts';
import { createWrappingKey } from './keys.ts';
import { Sealer } from './seal.ts';
import { ARGON2_DEFAULT, type Credential, describeSlot, openSlot, sealSlot } from './slots.ts';

const wrappingKey = createWrappingKey();
const cheap = { memoryKiB: 8192, passes: 1, parallelism: 1 };
const passphrase: Credential = { kind: SlotKind.passphrase, secret: Buffer.from('a passphrase') };
const keyFile: Credential = { kind: SlotKind.keyFile, secret: Buffer.alloc(32, 3) };
const recovery: Credential = { kind: SlotKind.recovery, secret: Buffer.alloc(20, 4) };
const options = { label: 'laptop', created: 1_767_225_600_000, argon2: cheap };
const slotOf = (credential: Credential) => sealSlot(wrappingKey, credential, options);
const withDigest = (bytes: Uint8Array) => Buffer.concat([bytes, digest(bytes)]);

test('each kind of slot opens with its own credential and with no other', async () => {
  const credentials = [passphrase, keyFile, recovery];
  for (const credential of credentials) {
    const slot = await slotOf(credential);
    for (const other of credentials) {
      assert.deepEqual((await openSlot(slot, other))?.id, other === credential ? wrappingKey.id : undefined);
    }
    const secret = Buffer.from(credential.secret);
    secret[0]! ^= 1;
    assert.equal(await openSlot(slot, { ...credential, secret }), undefined);
    const asAnotherKind = {
      ...credential,
      kind: credential === keyFile ? SlotKind.recovery : SlotKind.keyFile,
    };
    assert.equal(await openSlot(slot, asAnotherKind), undefined);
  }
});

test('a passphrase slot takes the parameters of RFC 9106 where none are given', async () => {
  const slot = await sealSlot(wrappingKey, passphrase, { label: '', created: 0 });
  assert.deepEqual(ARGON2_DEFAULT, { memoryKiB: 65_536, passes: 3, parallelism: 4 });
  assert.deepEqual(describeSlot(slot).argon2, ARGON2_DEFAULT);
  assert.deepEqual((await openSlot(slot, passphrase))?.id, wrappingKey.id);
});

test('a slot shows what it is without being opened', async () => {
  const label = 'Zoë’s laptop';
  const shown = { label, created: options.created, wrappingKeyId: hexOf(wrappingKey.id) };
  const slot = await sealSlot(wrappingKey, passphrase, { ...options, label });
  assert.deepEqual(describeSlot(slot), { ...shown, kind: SlotKind.passphrase, argon2: cheap });
  const other = await sealSlot(wrappingKey, keyFile, { ...options, label });
  assert.deepEqual(describeSlot(other), { ...shown, kind: SlotKind.keyFile, argon2: undefined });
});

test('two slots of one passphrase have nothing sealed in common', async () => {
  const [a, b] = [await slotOf(passphrase), await slotOf(passphrase)];
  assert.notDeepEqual(a.subarray(-80, -32), b.subarray(-80, -32));
});

test('a slot with any byte flipped is damaged', async () => {
  for (const credential of [passphrase, keyFile]) {
    const slot = await slotOf(credential);
    for (let at = 0; at < slot.length; at++) {
      const flipped = Buffer.from(slot);
      flipped[at]! ^= 1;
      await assert.rejects(openSlot(flipped, credential), { code: 'damaged' });
    }
  }
});

test('a slot with any byte flipped and its digest made to fit never opens', async () => {
  const slot = (await slotOf(keyFile)).subarray(0, -32);
  for (let at = 0; at < slot.length; at++) {
    const flipped = Buffer.from(slot);
    flipped[at]! ^= 1;
    try {
      assert.equal(await openSlot(withDigest(flipped), keyFile), undefined, `byte ${at}`);
    } catch (error) {
      assert.ok(
        isEverfullError(error, 'damaged', 'unsupported', 'limit', 'repository-newer'),
        `byte ${at}: ${error}`,
      );
    }
  }
});

test('lowered Argon2id parameters are noticed', async () => {
  const strong = await sealSlot(wrappingKey, passphrase, {
    ...options,
    argon2: { memoryKiB: 16_384, passes: 2, parallelism: 2 },
  });
  const headerAt = 12 + 1;
  for (const lower of [
    (bytes: Buffer) => bytes.writeUInt8(1, headerAt + 1),
    (bytes: Buffer) => bytes.writeUInt8(1, headerAt + 2),
    (bytes: Buffer) => bytes.writeUInt32LE(8192, headerAt + 3),
  ]) {
    const lowered = Buffer.from(strong.subarray(0, -32));
    lower(lowered);
    assert.equal(await openSlot(withDigest(lowered), passphrase), undefined);
  }
});

test('a slot that asks for 1 TiB of memory is refused, sealed or opened', async () => {
  const slot = Buffer.from((await slotOf(passphrase)).subarray(0, -32));
  slot.writeUInt32LE(2 ** 30, 12 + 1 + 3);
  await assert.rejects(openSlot(withDigest(slot), passphrase), { code: 'limit' });
  const argon2 = { ...cheap, memoryKiB: 2 ** 30 };
  await assert.rejects(sealSlot(wrappingKey, passphrase, { ...options, argon2 }), { code: 'limit' });
});

test('a slot that holds another wrapping key than its header names is damaged', async () => {
  const { header } = keySlotRecord.decode(await slotOf(keyFile), digest);
  const slotKey = new Sealer(
    deriveKey('everfull 2026 key file slot', Buffer.concat([header.salt, keyFile.secret])),
    header.salt,
  );
  const slot = keySlotRecord.encode(
    header,
    (associated) => slotKey.seal(associated, 0, Buffer.alloc(32)),
    digest,
  );
  await assert.rejects(openSlot(slot, keyFile), { code: 'damaged' });
});

test('an empty passphrase makes no slot and opens none', async () => {
  const empty = { kind: SlotKind.passphrase, secret: new Uint8Array(0) };
  await assert.rejects(slotOf(empty), { code: 'usage' });
  assert.equal(await openSlot(await slotOf(passphrase), empty), undefined);
});

test('the platform computes Argon2id as RFC 9106 §5.3 says', () => {
  const tag = argon2Sync('argon2id', {
    message: Buffer.alloc(32, 1),
    nonce: Buffer.alloc(16, 2),
    secret: Buffer.alloc(8, 3),
    associatedData: Buffer.alloc(12, 4),
    memory: 32,
    passes: 3,
    parallelism: 4,
    tagLength: 32,
  });
  assert.equal(hexOf(tag), '0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659');
});

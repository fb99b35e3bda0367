import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { hexOf, isEverfullError } from '../base/mod.ts';
import { domainKeysRecord } from '../format/mod.ts';
import { digest } from './hash.ts';
import {
  createDataKey,
  createKeyring,
  createWrappingKey,
  unwrapDataKey,
  unwrapDomain,
  wrapDataKey,
  wrapDomain,
} from './keys.ts';

const keyring = createKeyring();
const dataKey = createDataKey();
const domainBytes = wrapDomain(keyring);
const dataKeyBytes = wrapDataKey(keyring.wrappingKey, dataKey);
const objects = [
  {
    name: 'domain keys',
    bytes: domainBytes,
    open: (bytes: Uint8Array) => unwrapDomain(keyring.wrappingKey, bytes),
  },
  {
    name: 'data key',
    bytes: dataKeyBytes,
    open: (bytes: Uint8Array) => unwrapDataKey(keyring.wrappingKey, bytes),
  },
];

test('the domain secret and data keys come back as they were', () => {
  assert.deepEqual(unwrapDomain(keyring.wrappingKey, domainBytes).domainSecret, keyring.domainSecret);
  assert.deepEqual(unwrapDataKey(keyring.wrappingKey, dataKeyBytes), dataKey);
});

test('new keys are never the same', () => {
  assert.notDeepEqual(createKeyring().domainSecret, createKeyring().domainSecret);
  assert.notDeepEqual(createWrappingKey().id, createWrappingKey().id);
  assert.notDeepEqual(createDataKey().key, createDataKey().key);
});

for (const { name, bytes, open } of objects) {
  test(`the object of the ${name} is damaged with any byte flipped`, () => {
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes);
      flipped[at]! ^= 0x10;
      assert.throws(() => open(flipped), { code: 'damaged' });
    }
  });

  test(`the object of the ${name} never opens with a byte flipped and its digest made to fit`, () => {
    for (let at = 0; at < bytes.length - 32; at++) {
      const flipped = Buffer.from(bytes.subarray(0, -32));
      flipped[at]! ^= 0x10;
      assert.throws(
        () => open(Buffer.concat([flipped, digest(flipped)])),
        (error) => isEverfullError(error, 'damaged', 'repository-newer'),
        `byte ${at}`,
      );
    }
  });
}

test('one object is not opened in the place of another', () => {
  assert.throws(() => unwrapDomain(keyring.wrappingKey, dataKeyBytes), { code: 'damaged' });
  assert.throws(() => unwrapDataKey(keyring.wrappingKey, domainBytes), { code: 'damaged' });
});

test('the sealed body of one data key does not open under the id of another', () => {
  const other = wrapDataKey(keyring.wrappingKey, createDataKey());
  const bodyAt = 12 + 1 + 32;
  const mixed = Buffer.concat([dataKeyBytes.subarray(0, bodyAt), other.subarray(bodyAt, -32)]);
  assert.throws(() => unwrapDataKey(keyring.wrappingKey, Buffer.concat([mixed, digest(mixed)])), {
    code: 'damaged',
  });
});

test('another wrapping key opens nothing, and the error names both', () => {
  const other = createWrappingKey();
  const { id } = keyring.wrappingKey;
  assert.throws(() => unwrapDomain(other, domainBytes), {
    code: 'damaged',
    message: `Could not open the domain keys: it belongs to wrapping key ${hexOf(id)}, not ${hexOf(other.id)}`,
  });
  assert.throws(() => unwrapDataKey(other, dataKeyBytes), { code: 'damaged' });
});

test('a domain secret under the id of another is damaged', () => {
  const { wrappingKey, domainSecret } = keyring;
  const header = { wrappingKeyId: wrappingKey.id, secretsId: Buffer.alloc(16) };
  const bytes = domainKeysRecord.encode(
    header,
    (associated) => wrappingKey.seal(associated, domainSecret),
    digest,
  );
  assert.throws(() => unwrapDomain(wrappingKey, bytes), { code: 'damaged', message: /not 0{32}$/ });
});

test('a rotation wraps the same secrets anew', () => {
  const wrappingKey = createWrappingKey();
  const rotated = unwrapDomain(wrappingKey, wrapDomain({ ...keyring, wrappingKey }));
  assert.deepEqual(rotated.domainSecret, keyring.domainSecret);
  assert.deepEqual(unwrapDataKey(wrappingKey, wrapDataKey(wrappingKey, dataKey)), dataKey);
});

test('a wrapping key shows its id and nothing else when it is printed', () => {
  const wrappingKey = createWrappingKey(() => Buffer.alloc(32, 0xab));
  assert.ok(!inspect(wrappingKey, { depth: 9, showHidden: true }).includes('ab ab ab'));
  assert.ok(!JSON.stringify(wrappingKey).includes('171,171,171'));
});

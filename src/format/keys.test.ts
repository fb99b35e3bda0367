import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { blake3 } from '@napi-rs/blake-hash';
import fc from 'fast-check';
import { bytesFromHex, hexOf, isEverfullError } from '../base/mod.ts';
import {
  ARGON2_BOUNDS,
  dataKeyRecord,
  decodeEndpointBody,
  domainKeysRecord,
  encodeEndpointBody,
  endpointRecord,
  formerKeyRecord,
  type KeyRecordCodec,
  keySlotRecord,
  type SlotHeader,
  SlotKind,
} from './keys.ts';

const digest = (...parts: Uint8Array[]) => blake3(Buffer.concat(parts));
const page = readFileSync(new URL('../../docs/format/keys.md', import.meta.url), 'utf8');

function vector(name: string): Buffer {
  const line = page.split('\n').find((text) => text.startsWith(`${name}: `));
  assert.ok(line !== undefined, `the page has no vector "${name}"`);
  return bytesFromHex(line.slice(name.length + 2));
}

const slot: SlotHeader = {
  kind: SlotKind.passphrase,
  passes: 1,
  parallelism: 1,
  memoryKiB: 8192,
  created: 1_767_225_600_000,
  salt: vector('salt'),
  wrappingKeyId: vector('wrapping key id'),
  label: 'laptop',
};
const wrappingKeyId = slot.wrappingKeyId;
const cases: readonly { name: string; record: KeyRecordCodec<object>; header: object }[] = [
  { name: 'key slot, passphrase', record: keySlotRecord, header: slot },
  {
    name: 'key slot, key file',
    record: keySlotRecord,
    header: { ...slot, kind: SlotKind.keyFile, passes: 0, parallelism: 0, memoryKiB: 0 },
  },
  {
    name: 'domain keys',
    record: domainKeysRecord,
    header: { wrappingKeyId, secretsId: vector('secrets id') },
  },
  {
    name: 'data key object',
    record: dataKeyRecord,
    header: { wrappingKeyId, dataKeyId: vector('data key id') },
  },
  {
    name: 'former wrapping key',
    record: formerKeyRecord,
    header: { wrappingKeyId: vector('former wrapping key').subarray(13, 29), formerKeyId: wrappingKeyId },
  },
  {
    name: 'endpoint of "host"',
    record: endpointRecord,
    header: {
      wrappingKeyId,
      endpointId: vector('endpoint id of "host"'),
      publicKey: vector('endpoint of "host"').subarray(12 + 1 + 32, 12 + 1 + 64),
    },
  },
];

function plain(header: object): object {
  return Object.fromEntries(
    Object.entries(header).map(([name, value]) => [name, value instanceof Uint8Array ? hexOf(value) : value]),
  );
}

for (const { name, record, header } of cases) {
  const bytes = vector(name);

  test(`the codec reads the ${name} of the page, and writes it again`, () => {
    const read = record.decode(bytes, digest);
    assert.deepEqual(plain(read.header), plain(header));
    let associated: Uint8Array | undefined;
    const written = record.encode(
      header,
      (data) => {
        associated = data;
        return read;
      },
      digest,
    );
    assert.deepEqual(written, bytes);
    assert.deepEqual(associated, read.associated);
  });

  test(`the codec refuses the ${name} with any byte flipped, and any part of it`, () => {
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes);
      flipped[at]! ^= 1 << (at % 8);
      assert.throws(() => record.decode(flipped, digest), { code: 'damaged' }, `byte ${at}`);
      assert.throws(() => record.decode(bytes.subarray(0, at), digest), { code: 'damaged' }, `length ${at}`);
    }
    assert.throws(() => record.decode(Buffer.concat([bytes, Buffer.of(0)]), digest), { code: 'damaged' });
  });

  test(`the codec reads or cleanly refuses any change to the ${name} whose digest fits`, () => {
    const end = bytes.length - 32;
    fc.assert(
      fc.property(fc.nat(end - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(bytes.subarray(0, end));
        changed[at]! ^= change;
        try {
          record.decode(Buffer.concat([changed, digest(changed)]), digest);
        } catch (error) {
          assert.ok(
            isEverfullError(error, 'damaged', 'limit', 'unsupported', 'repository-newer'),
            `${error}`,
          );
        }
      }),
      { numRuns: 500 },
    );
  });
}

test('an object of one kind is not read as one of another', () => {
  for (const { name, record } of cases) {
    for (const other of cases) {
      if (other.record === record) continue;
      assert.throws(() => other.record.decode(vector(name), digest), {
        code: 'damaged',
      });
    }
  }
});

const unsealed = () => ({ nonce: new Uint8Array(12), sealed: new Uint8Array(48) });

test('a slot is neither written nor read with Argon2id parameters out of bounds', () => {
  const sizes = {
    memoryKiB: { at: 3, bytes: 4 },
    passes: { at: 1, bytes: 1 },
    parallelism: { at: 2, bytes: 1 },
  };
  for (const [name, { min, max }] of Object.entries(ARGON2_BOUNDS)) {
    const { at, bytes } = sizes[name as keyof typeof sizes];
    const headerAt = 12 + 1;
    for (const value of [0, min - 1, max + 1, 2 ** (8 * bytes) - 1]) {
      assert.throws(() => keySlotRecord.encode({ ...slot, [name]: value }, unsealed, digest), {
        code: 'limit',
      });
      const changed = Buffer.from(vector('key slot, passphrase').subarray(0, -32));
      changed.writeUIntLE(value, headerAt + at, bytes);
      assert.throws(() => keySlotRecord.decode(Buffer.concat([changed, digest(changed)]), digest), {
        code: 'limit',
        message: new RegExp(`${name} is ${value}, not from ${min} to ${max}`),
      });
    }
    for (const value of [min, max]) {
      const written = keySlotRecord.encode({ ...slot, [name]: value }, unsealed, digest);
      assert.equal(keySlotRecord.decode(written, digest).header[name as keyof typeof sizes], value);
    }
  }
});

test('a slot without a passphrase has no Argon2id parameters', () => {
  assert.throws(() => keySlotRecord.encode({ ...slot, kind: SlotKind.recovery }, unsealed, digest), {
    code: 'damaged',
  });
});

test('a slot of the reserved kind is refused as unsupported', () => {
  assert.throws(() => keySlotRecord.encode({ ...slot, kind: 4 as SlotKind }, unsealed, digest), {
    code: 'unsupported',
  });
});

test('a label of 255 bytes fits and one of 256 does not', () => {
  const header = { ...slot, label: 'x'.repeat(255) };
  const written = keySlotRecord.encode(header, unsealed, digest);
  assert.equal(keySlotRecord.decode(written, digest).header.label, header.label);
  assert.throws(() => keySlotRecord.encode({ ...slot, label: 'x'.repeat(256) }, unsealed, digest), {
    code: 'limit',
  });
});

test('an object of a later version is named as such', () => {
  const changed = Buffer.from(vector('domain keys').subarray(0, -32));
  changed[5] = 2;
  assert.throws(() => domainKeysRecord.decode(Buffer.concat([changed, digest(changed)]), digest), {
    code: 'repository-newer',
  });
});

test('the body of an endpoint keeps any host name of up to 255 bytes, at one length', () => {
  const seed = vector('endpoint seed');
  for (const host of ['', 'h', '\xff\0', 'x'.repeat(255)]) {
    const body = encodeEndpointBody({ seed, host });
    assert.equal(body.length, 288);
    assert.deepEqual(decodeEndpointBody(body), { seed, host });
  }
  assert.throws(() => encodeEndpointBody({ seed, host: 'x'.repeat(256) }), { code: 'limit' });
});

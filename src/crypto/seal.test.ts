import assert from 'node:assert/strict';
import { createCipheriv, randomBytes, webcrypto } from 'node:crypto';
import { test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { bytesFromHex, hexOf } from '../base/mod.ts';
import { gcmEncryptor } from '../os/mod.ts';
import { deriveKey, KeyedHash } from './hash.ts';
import { nodeEncryptor, Sealer } from './seal.ts';

const KEY = Buffer.alloc(32, 7);
const sealer = new Sealer(KEY, Buffer.alloc(16));
const associated = Buffer.from('associated');
const body = Buffer.from('the body of a frame');

test('what was sealed opens, whatever it is', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 600 }),
      fc.nat(255),
      fc.uint8Array({ maxLength: 5000 }),
      (data, codec, text) => {
        const { nonce, sealed } = sealer.seal(data, codec, text);
        assert.equal(nonce.length, 12);
        assert.equal(sealed.length, text.length + 16);
        assert.deepEqual(Uint8Array.from(sealer.open(data, codec, nonce, sealed)), text);
      },
    ),
  );
});

test('sealing the same twice gives the same bytes, in another sealer too', () => {
  assert.deepEqual(sealer.seal(associated, 1, body), sealer.seal(associated, 1, body));
  assert.deepEqual(
    new Sealer(KEY, Buffer.alloc(16, 1)).seal(associated, 1, body),
    sealer.seal(associated, 1, body),
  );
});

test('another body, codec, associated data or key has another nonce', () => {
  const nonces = [
    sealer.seal(associated, 1, body),
    sealer.seal(associated, 2, body),
    sealer.seal(associated.subarray(1), 1, body),
    sealer.seal(associated, 1, body.subarray(1)),
    sealer.seal(Buffer.concat([associated, body.subarray(0, 1)]), 1, body.subarray(1)),
    new Sealer(Buffer.alloc(32, 8), Buffer.alloc(16)).seal(associated, 1, body),
  ].map(({ nonce }) => hexOf(nonce));
  assert.equal(new Set(nonces).size, nonces.length);
});

test('nothing opens with any bit of it changed', () => {
  const { nonce, sealed } = sealer.seal(associated, 1, body);
  const parts = [associated, nonce, sealed];
  for (const [i, part] of parts.entries()) {
    for (let bit = 0; bit < part.length * 8; bit++) {
      const changed = [...parts];
      changed[i] = Buffer.from(part);
      changed[i]![bit >> 3]! ^= 1 << (bit & 7);
      assert.throws(() => sealer.open(changed[0]!, 1, changed[1]!, changed[2]!), { code: 'damaged' });
    }
  }
  assert.throws(() => sealer.open(associated, 2, nonce, sealed), { code: 'damaged' });
  assert.throws(() => sealer.open(associated, 1, nonce.subarray(1), sealed), { code: 'damaged' });
  for (let length = 0; length < sealed.length; length++) {
    assert.throws(() => sealer.open(associated, 1, nonce, sealed.subarray(0, length)), { code: 'damaged' });
  }
});

test('shared memory serves as every input and as the target', () => {
  const shared = (bytes: Uint8Array) => {
    const copy = new Uint8Array(new SharedArrayBuffer(bytes.length + 8)).subarray(8);
    copy.set(bytes);
    return copy;
  };
  const expected = sealer.seal(associated, 1, body);
  assert.deepEqual(sealer.seal(shared(associated), 1, shared(body)), expected);
  const target = shared(expected.sealed).fill(0);
  assert.deepEqual(sealer.sealInto(target, shared(associated), 1, shared(body)), expected.nonce);
  assert.deepEqual(Buffer.from(target), expected.sealed);
  assert.deepEqual(sealer.open(shared(associated), 1, shared(expected.nonce), target), body);
});

test('WebCrypto opens it by the rules of docs/format/keys.md', async () => {
  const { nonce, sealed } = sealer.seal(associated, 1, body);
  const head = Buffer.concat([Buffer.of(associated.length, 0, 0, 0, 1), associated]);
  assert.deepEqual(
    nonce,
    new KeyedHash(deriveKey('everfull 2026 nonce', KEY)).digest(head, body).subarray(0, 12),
  );
  const raw = Uint8Array.from(deriveKey('everfull 2026 seal', KEY));
  const key = await webcrypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['decrypt']);
  const algorithm = {
    name: 'AES-GCM',
    iv: Uint8Array.from(nonce),
    additionalData: Uint8Array.from(head),
    tagLength: 128,
  };
  assert.deepEqual(
    Buffer.from(await webcrypto.subtle.decrypt(algorithm, key, Uint8Array.from(sealed))),
    body,
  );
});

test('the platform computes AES-256-GCM as test case 16 of its specification says', () => {
  const key = 'feffe9928665731c6d6a8f9467308308'.repeat(2);
  const cipher = createCipheriv('aes-256-gcm', bytesFromHex(key), bytesFromHex('cafebabefacedbaddecaf888'));
  cipher.setAAD(bytesFromHex('feedfacedeadbeeffeedfacedeadbeefabaddad2'));
  const plain =
    'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39';
  assert.equal(
    hexOf(Buffer.concat([cipher.update(bytesFromHex(plain)), cipher.final()])),
    '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662',
  );
  assert.equal(hexOf(cipher.getAuthTag()), '76fc6ece0f4e1768cddf8853bb2d551b');
});

test('a key of another length is refused, and no key is shown by printing', () => {
  assert.throws(() => new Sealer(Buffer.alloc(16), Buffer.alloc(16)), RangeError);
  assert.ok(!/07 07 07|KEY/i.test(inspect(sealer, { depth: 9, showHidden: true }).replace('keyId', '')));
});

test('where the OpenSSL of Node cannot be called, node:crypto gives the same bytes', () => {
  const encrypt = gcmEncryptor()!;
  for (const length of [0, 1, 1000, 70_000]) {
    const [key, nonce, head, body] = [randomBytes(32), randomBytes(12), randomBytes(40), randomBytes(length)];
    const [one, other] = [Buffer.alloc(length + 16), Buffer.alloc(length + 16)];
    encrypt(one, key, nonce, head, body);
    nodeEncryptor(other, key, nonce, head, body);
    assert.deepEqual(one, other);
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { bytesFromHex, hexOf, isEverfullError } from '../base/mod.ts';
import { makeEndpoint, openEndpoint, readEndpoint, sign, verify } from './endpoint.ts';
import { digest } from './hash.ts';
import { createKeyring, createWrappingKey } from './keys.ts';
import { DomainSecrets } from './secrets.ts';

const { wrappingKey, domainSecret } = createKeyring();
const secrets = new DomainSecrets(domainSecret);
const message = Buffer.from('a manifest');

/** RFC 8032 §7.1, tests 1 to 3: seed, public key, message, signature. */
const RFC_8032: readonly [string, string, string, string][] = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
];

test('keys and signatures are those of RFC 8032', () => {
  for (const [seed, publicKey, text, signature] of RFC_8032) {
    const { endpoint } = makeEndpoint(wrappingKey, secrets, 'host', () => bytesFromHex(seed));
    assert.equal(hexOf(endpoint.publicKey), publicKey);
    assert.equal(hexOf(sign(endpoint, bytesFromHex(text))), signature);
    assert.ok(verify(bytesFromHex(publicKey), bytesFromHex(text), bytesFromHex(signature)));
  }
});

test('an endpoint comes back as it was and signs what its public key verifies', () => {
  const { endpoint, bytes } = makeEndpoint(wrappingKey, secrets, 'a.example\xff');
  const opened = openEndpoint(wrappingKey, secrets, bytes);
  assert.deepEqual(opened.id, secrets.endpointId('a.example\xff'));
  assert.equal(opened.host, endpoint.host);
  const { id, publicKey } = readEndpoint(bytes);
  assert.deepEqual(id, endpoint.id);
  assert.ok(verify(publicKey, message, sign(opened, message)));
});

test('a signature fits one message and one key', () => {
  const { endpoint } = makeEndpoint(wrappingKey, secrets, 'a');
  const { endpoint: other } = makeEndpoint(wrappingKey, secrets, 'a');
  const signature = sign(endpoint, message);
  assert.ok(!verify(other.publicKey, message, signature));
  assert.ok(!verify(endpoint.publicKey, message.subarray(1), signature));
  assert.ok(!verify(endpoint.publicKey, message, signature.subarray(1)));
  for (let at = 0; at < signature.length; at++) {
    const flipped = Buffer.from(signature);
    flipped[at]! ^= 1;
    assert.ok(!verify(endpoint.publicKey, message, flipped));
  }
  assert.throws(() => verify(signature, message, signature), RangeError);
});

test('an endpoint with any byte flipped is damaged, also where its digest is made to fit', () => {
  const { bytes } = makeEndpoint(wrappingKey, secrets, 'a');
  for (let at = 0; at < bytes.length; at++) {
    const flipped = Buffer.from(bytes);
    flipped[at]! ^= 2;
    assert.throws(() => openEndpoint(wrappingKey, secrets, flipped), { code: 'damaged' });
    if (at >= bytes.length - 32) continue;
    const start = flipped.subarray(0, -32);
    assert.throws(
      () => openEndpoint(wrappingKey, secrets, Buffer.concat([start, digest(start)])),
      (error) => isEverfullError(error, 'damaged', 'repository-newer'),
      `byte ${at}`,
    );
  }
});

test('an endpoint opens only in its own repository', () => {
  const { bytes } = makeEndpoint(wrappingKey, secrets, 'a');
  assert.throws(() => openEndpoint(createWrappingKey(), secrets, bytes), { code: 'damaged' });
  assert.throws(() => openEndpoint(wrappingKey, new DomainSecrets(Buffer.alloc(32)), bytes), {
    code: 'damaged',
  });
});

test('the private key of an endpoint is not shown by printing', () => {
  const { endpoint } = makeEndpoint(wrappingKey, secrets, 'a', () => Buffer.alloc(32, 0xab));
  assert.ok(!inspect(endpoint, { depth: 9, showHidden: true }).includes('ab ab ab'));
});

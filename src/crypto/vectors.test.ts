import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { bytesFromHex, hexOf } from '../base/mod.ts';
import { SlotKind } from '../format/mod.ts';
import {
  DomainSecrets,
  formatKeyFile,
  formatRecoveryCode,
  makeEndpoint,
  openEndpoint,
  openSlot,
  parseKeyFile,
  parseRecoveryCode,
  Sealer,
  sealSlot,
  unwrapDataKey,
  unwrapDomain,
  unwrapFormerKey,
  WrappingKey,
  wrapDataKey,
  wrapDomain,
  wrapFormerKey,
} from './mod.ts';

const page = readFileSync(new URL('../../docs/format/keys.md', import.meta.url), 'utf8');
const fence = /```vectors\n([\s\S]*?)```/.exec(page)![1]!;
const vectors = new Map(
  fence
    .trim()
    .split('\n')
    .map((line) => line.split(': ') as [string, string]),
);

function vector(name: string): string {
  const value = vectors.get(name);
  assert.ok(value !== undefined, `the page has no vector "${name}"`);
  return value;
}

const bytes = (name: string) => bytesFromHex(vector(name));
const salt = () => bytes('salt');
const wrappingKey = new WrappingKey(bytes('wrapping key'));
const next = new WrappingKey(bytes('next wrapping key'));
const keyring = { wrappingKey, domainSecret: bytes('domain secret') };
const secrets = new DomainSecrets(keyring.domainSecret);
const dataKey = { id: bytes('data key id'), key: bytes('data key') };
const options = { label: 'laptop', created: 1_767_225_600_000, random: salt };
const credentials = {
  passphrase: { kind: SlotKind.passphrase, secret: Buffer.from('correct horse battery staple') },
  'key file': { kind: SlotKind.keyFile, secret: bytes('key file secret') },
  recovery: { kind: SlotKind.recovery, secret: bytes('recovery secret') },
};
const abc = Buffer.from('abc');
const gear = secrets.gearTable();

const made: Readonly<Record<string, string>> = {
  'wrapping key id': hexOf(wrappingKey.id),
  'secrets id': hexOf(secrets.secretsId),
  'index boundary key': hexOf(secrets.boundaryKey),
  'gear table, first and last entry': `${gear[0]} ${gear[255]}`,
  'chunk id of "abc"': hexOf(secrets.chunkId(abc)),
  'index node id of "abc"': hexOf(secrets.indexNodeId(abc)),
  'content node id of "abc"': hexOf(secrets.contentNodeId(abc)),
  'file fingerprint of "abc"': hexOf(secrets.fileFingerprint(abc)),
  'long fingerprint of "a", "bc"': hexOf(secrets.longFingerprint([Buffer.from('a'), Buffer.from('bc')])),
  'segment hash of "abc"': hexOf(secrets.segmentHash(abc)),
  'endpoint id of "host"': hexOf(secrets.endpointId('host')),
  'dataset id of "host", "/home"': hexOf(secrets.datasetId(['host', '/home'])),
  'seal of "abc", associated "header", codec 1': sealed(),
  'key slot, passphrase': hexOf(
    await sealSlot(wrappingKey, credentials.passphrase, {
      ...options,
      argon2: { memoryKiB: 8192, passes: 1, parallelism: 1 },
    }),
  ),
  'key slot, key file': hexOf(await sealSlot(wrappingKey, credentials['key file'], options)),
  'key slot, recovery': hexOf(await sealSlot(wrappingKey, credentials.recovery, options)),
  'domain keys': hexOf(wrapDomain(keyring)),
  'data key object': hexOf(wrapDataKey(wrappingKey, dataKey)),
  'former wrapping key': hexOf(wrapFormerKey(next, wrappingKey)),
  'endpoint of "host"': hexOf(makeEndpoint(wrappingKey, secrets, 'host', () => bytes('endpoint seed')).bytes),
  'key file': formatKeyFile(bytes('key file secret')).trimEnd(),
  'recovery code': formatRecoveryCode(bytes('recovery secret')),
};

function sealed(): string {
  const { nonce, sealed } = new Sealer(dataKey.key, dataKey.id).seal(Buffer.from('header'), 1, abc);
  return `${hexOf(nonce)} ${hexOf(sealed)}`;
}

for (const [name, value] of Object.entries(made)) {
  test(`the vector "${name}" of docs/format/keys.md is what the code makes`, () => {
    assert.equal(value, vector(name));
  });
}

test('every vector of docs/format/keys.md is an input or is checked', () => {
  const inputs = [
    'wrapping key',
    'domain secret',
    'data key',
    'data key id',
    'endpoint seed',
    'salt',
    'next wrapping key',
    'key file secret',
    'recovery secret',
  ];
  assert.deepEqual([...vectors.keys()].sort(), [...inputs, ...Object.keys(made)].sort());
});

test('the objects of docs/format/keys.md open', async () => {
  for (const [name, credential] of Object.entries(credentials)) {
    assert.deepEqual((await openSlot(bytes(`key slot, ${name}`), credential))?.id, wrappingKey.id);
  }
  assert.deepEqual(unwrapDomain(wrappingKey, bytes('domain keys')).domainSecret, keyring.domainSecret);
  assert.deepEqual(unwrapDataKey(wrappingKey, bytes('data key object')), dataKey);
  assert.deepEqual(unwrapFormerKey(next, bytes('former wrapping key')).id, wrappingKey.id);
  assert.equal(openEndpoint(wrappingKey, secrets, bytes('endpoint of "host"')).host, 'host');
  assert.deepEqual(parseKeyFile(Buffer.from(vector('key file'))), bytes('key file secret'));
  assert.deepEqual(parseRecoveryCode(vector('recovery code')), bytes('recovery secret'));
});

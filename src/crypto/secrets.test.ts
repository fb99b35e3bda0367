import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { byteStringOf, hexOf } from '../base/mod.ts';
import { DomainSecrets } from './secrets.ts';

const secrets = new DomainSecrets(Buffer.alloc(32, 1));
const others = new DomainSecrets(Buffer.alloc(32, 2));
const bytes = Buffer.from('some bytes');

function everything(of: DomainSecrets): string[] {
  return [
    of.secretsId,
    of.boundaryKey,
    of.chunkId(bytes),
    of.indexNodeId(bytes),
    of.contentNodeId(bytes),
    of.fileFingerprint(bytes),
    of.longFingerprint([bytes]),
    of.segmentHash(bytes),
    of.endpointId(byteStringOf(bytes)),
    of.datasetId([byteStringOf(bytes)]),
    of.streamKey,
    of.streamProof(bytes),
    Buffer.from(of.gearTable().buffer),
  ].map((value) => hexOf(value).slice(0, 32));
}

test('the same secret gives the same ids, and no two uses or secrets share one', () => {
  const all = [...everything(secrets), ...everything(others)];
  assert.deepEqual(everything(new DomainSecrets(Buffer.alloc(32, 1))), everything(secrets));
  assert.equal(new Set(all).size, all.length);
});

test('ids have the lengths that the formats give them', () => {
  assert.equal(secrets.secretsId.length, 16);
  assert.equal(secrets.chunkId(bytes).length, 32);
  assert.equal(secrets.segmentHash(bytes).length, 16);
  assert.equal(secrets.endpointId('host').length, 16);
  assert.equal(secrets.datasetId(['host']).length, 16);
});

test('chunk ids and file fingerprints do not depend on how the bytes are cut', () => {
  const [a, b] = [bytes.subarray(0, 3), bytes.subarray(3)];
  assert.deepEqual(secrets.chunkId(a, b), secrets.chunkId(bytes));
  assert.deepEqual(secrets.fileFingerprint(a, b), secrets.fileFingerprint(bytes));
});

test('lists that join to the same bytes have different ids', () => {
  assert.notDeepEqual(secrets.datasetId(['/a', '/b']), secrets.datasetId(['/a/b']));
  assert.notDeepEqual(secrets.datasetId(['/a', '']), secrets.datasetId(['/a']));
  assert.notDeepEqual(
    secrets.longFingerprint([Buffer.from('ab'), Buffer.from('c')]),
    secrets.longFingerprint([Buffer.from('a'), Buffer.from('bc')]),
  );
});

test('the gear table has 256 different numbers spread over 32 bits', () => {
  const table = secrets.gearTable();
  assert.equal(table.length, 256);
  assert.equal(new Set(table).size, 256);
  for (let bit = 0; bit < 32; bit++) {
    const set = table.filter((value) => (value >>> bit) & 1).length;
    assert.ok(set > 80 && set < 176, `bit ${bit} is set in ${set} of 256`);
  }
});

test('a domain secret of another length is refused, and is not shown by printing', () => {
  assert.throws(() => new DomainSecrets(Buffer.alloc(16)), RangeError);
  assert.ok(!inspect(secrets, { depth: 9, showHidden: true }).includes('01 01 01 01'));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseListing } from './listing.ts';

const CONTENTS =
  '<Contents><Key>p/packs/00/a</Key><LastModified>2026-01-01T00:00:00Z</LastModified><Size>17</Size><Owner><ID>test</ID></Owner></Contents>';

function listing(...parts: readonly string[]): string {
  return `<?xml version="1.0"?><ListBucketResult><Name>b</Name>${parts.join('')}</ListBucketResult>`;
}

test('parseListing() reads keys, sizes and what asks for the next page', () => {
  const last = parseListing(listing('<IsTruncated>false</IsTruncated>', CONTENTS));
  assert.deepEqual(last, { objects: [{ key: 'p/packs/00/a', size: 17 }], next: undefined });
  const more = parseListing(
    listing('<IsTruncated>true</IsTruncated>', '<NextContinuationToken>a&amp;b</NextContinuationToken>'),
  );
  assert.deepEqual(more, { objects: [], next: 'a&b' });
});

test('parseListing() decodes keys that are encoded as URLs are', () => {
  const encoded = CONTENTS.replace('p/packs/00/a', 'p%2Fa+b%20%C3%BC%01');
  const { objects } = parseListing(listing('<IsTruncated>false</IsTruncated>', encoded));
  assert.equal(objects[0]?.key, 'p/a b ü\u0001');
});

test('parseListing() refuses a listing that lacks something: objects must not seem to be missing', () => {
  for (const text of [
    listing(CONTENTS),
    listing('<IsTruncated>maybe</IsTruncated>'),
    listing('<IsTruncated>true</IsTruncated>'),
    listing('<IsTruncated>false</IsTruncated>', CONTENTS.replace('<Size>17</Size>', '')),
    listing('<IsTruncated>false</IsTruncated>', CONTENTS.replace('17', '-1')),
    listing('<IsTruncated>false</IsTruncated>', CONTENTS.replace('p/packs/00/a', '')),
    listing('<IsTruncated>false</IsTruncated>', CONTENTS.replace('p/packs/00/a', '%zz')),
    listing('<IsTruncated>false</IsTruncated>', CONTENTS).replaceAll('ListBucketResult', 'Error'),
    listing('<IsTruncated>false</IsTruncated>', CONTENTS).slice(0, -30),
  ]) {
    assert.throws(() => parseListing(text), { code: 'io' }, text);
  }
});

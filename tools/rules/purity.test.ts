import assert from 'node:assert/strict';
import { test } from 'node:test';
import { purity } from './purity.ts';

const text = `import { readFileSync } from 'node:fs';`;

test('purity() refuses modules of Node in codecs and in the image', () => {
  for (const path of ['src/format/pack.ts', 'src/image/reader.ts']) {
    assert.equal(purity([{ path, text }]).length, 1);
  }
  assert.equal(purity([{ path: 'src/format/pack.ts', text: `import zlib from 'zlib';` }]).length, 1);
});

test('purity() accepts them in tests and in other folders', () => {
  for (const path of ['src/format/pack.test.ts', 'src/store/folder.ts', 'test/format.test.ts']) {
    assert.deepEqual(purity([{ path, text }]), []);
  }
});

test('purity() accepts codecs that import codecs', () => {
  assert.deepEqual(purity([{ path: 'src/format/pack.ts', text: `import './frame.ts';` }]), []);
});

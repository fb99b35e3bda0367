import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stores } from './stores.ts';

test('stores() refuses a concrete store outside of programs', () => {
  for (const text of ['new FolderStore(path)', 'openFolderStore(path)', 'openS3Store(options)']) {
    assert.equal(stores([{ path: 'src/repository/open.ts', text }]).length, 1);
  }
});

test('stores() accepts it in store, in cli and in tests, and the interface everywhere', () => {
  const text = 'new FolderStore(path)';
  for (const path of [
    'src/store/folder.ts',
    'src/cli/main.ts',
    'src/chunk/seal.test.ts',
    'test/kill.test.ts',
  ]) {
    assert.deepEqual(stores([{ path, text }]), []);
  }
  assert.deepEqual(
    stores([{ path: 'src/repository/open.ts', text: 'store: ObjectStore // FolderStore' }]),
    [],
  );
});

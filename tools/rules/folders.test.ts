import assert from 'node:assert/strict';
import { test } from 'node:test';
import { doorsExist, names } from './folders.ts';

function paths(...list: string[]): { path: string; text: string }[] {
  return list.map((path) => ({ path, text: '' }));
}

test('names() accepts names of things', () => {
  assert.deepEqual(names(paths('src/format/pack.ts', 'test/common-base.test.ts')), []);
});

test('names() refuses folders and files with names that say nothing', () => {
  const files = paths('src/utils/a.ts', 'src/base/helpers.ts', 'test/misc/b.ts', 'tools/common.test.ts');
  assert.deepEqual(
    names(files).map(({ path }) => path),
    files.map(({ path }) => path),
  );
});

test('doorsExist() accepts a door in every folder of src, and main.ts in cli', () => {
  assert.deepEqual(
    doorsExist(
      paths(
        'src/base/mod.ts',
        'src/base/a.ts',
        'src/cli/main.ts',
        'src/base/testing/b.ts',
        'test/kill.test.ts',
      ),
    ),
    [],
  );
});

test('doorsExist() refuses a folder of src without a door', () => {
  assert.deepEqual(doorsExist(paths('src/base/a.ts', 'src/cli/mod.ts')), [
    { path: 'src/base', message: 'has no mod.ts' },
    { path: 'src/cli', message: 'has no main.ts' },
  ]);
});

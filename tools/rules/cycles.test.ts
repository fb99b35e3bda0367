import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileCycles, folderCycles } from './cycles.ts';

function source(path: string, ...imports: string[]): { path: string; text: string } {
  return { path, text: imports.map((name) => `import type { X } from '${name}';\n`).join('') };
}

test('fileCycles() accepts files that share what they import', () => {
  const files = [
    source('src/a/one.ts', './two.ts', './three.ts'),
    source('src/a/two.ts', './three.ts'),
    source('src/a/three.ts'),
  ];
  assert.deepEqual(fileCycles(files), []);
});

test('fileCycles() refuses a file that imports itself through others', () => {
  const files = [
    source('src/a/one.ts', './two.ts'),
    source('src/a/two.ts', './three.ts'),
    source('src/a/three.ts', './two.ts'),
  ];
  assert.deepEqual(
    fileCycles(files).map(({ message }) => message),
    ['imports itself: src/a/two.ts -> src/a/three.ts -> src/a/two.ts'],
  );
});

test('fileCycles() lets a worker import what starts it', () => {
  const files = [
    { path: 'src/a/pool.ts', text: `new URL('./worker.ts', import.meta.url)` },
    source('src/a/worker.ts', './pool.ts'),
  ];
  assert.deepEqual(fileCycles(files), []);
});

test('folderCycles() refuses folders in a circle whose files are in none', () => {
  const files = [
    source('src/a/one.ts', '../b/mod.ts'),
    source('src/a/mod.ts'),
    source('src/b/mod.ts'),
    source('src/b/two.ts', '../a/mod.ts'),
  ];
  assert.deepEqual(fileCycles(files), []);
  assert.deepEqual(
    folderCycles(files).map(({ message }) => message),
    ['imports itself: src/a -> src/b -> src/a'],
  );
});

test('folderCycles() accepts folders that import downwards', () => {
  assert.deepEqual(
    folderCycles([source('src/a/one.ts', '../b/mod.ts'), source('src/b/mod.ts', './x.ts')]),
    [],
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layers } from './layers.ts';

function messages(path: string, text: string): string[] {
  return layers([{ path, text }]).map(({ message }) => message);
}

test('layers() accepts imports of lower folders, of the own folder and of packages', () => {
  const text = `import '../store/mod.ts'; import '../base/mod.ts'; import './pack.ts'; import 'commander';`;
  assert.deepEqual(messages('src/repository/open.ts', text), []);
});

test('layers() refuses an import of a higher folder, also of a type', () => {
  const violations = layers([
    { path: 'src/store/folder.ts', text: `\nimport type { Pack } from '../repository/mod.ts';` },
  ]);
  assert.equal(violations.length, 1);
  assert.equal(violations[0]?.line, 2);
  assert.match(violations[0]?.message ?? '', /^'store' may not import 'repository'/);
});

test('layers() refuses a worker of a higher folder', () => {
  const text = `new Worker(new URL('../chunk/worker.ts', import.meta.url));`;
  assert.match(messages('src/store/folder.ts', text)[0] ?? '', /'store' may not import 'chunk'/);
});

test('layers() lets format see base alone', () => {
  assert.deepEqual(messages('src/format/pack.ts', `import '../base/mod.ts';`), []);
  assert.match(
    messages('src/format/pack.ts', `import '../os/mod.ts';`)[0] ?? '',
    /'format' may not import 'os'/,
  );
});

test('layers() refuses a folder without a place in the order', () => {
  assert.match(messages('src/plumbing/pipe.ts', '')[0] ?? '', /has no place/);
});

test('layers() keeps src from importing tools and tests, which its own tests may', () => {
  const text = `import '../../tools/project.ts';`;
  assert.match(messages('src/base/bytes.ts', text)[0] ?? '', /outside of src/);
  assert.deepEqual(messages('src/base/bytes.test.ts', text), []);
});

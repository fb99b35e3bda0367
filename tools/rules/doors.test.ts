import assert from 'node:assert/strict';
import { test } from 'node:test';
import { doors } from './doors.ts';

function messages(path: string, text: string): string[] {
  return doors([{ path, text }]).map(({ message }) => message);
}

test('doors() accepts the door of another folder and any file of the own', () => {
  assert.deepEqual(messages('src/store/folder.ts', `import '../base/mod.ts'; import './names.ts';`), []);
  assert.deepEqual(messages('src/restore/access/mount.ts', `import '../plan.ts';`), []);
  assert.deepEqual(messages('test/kill.test.ts', `import '../src/store/mod.ts'; import './tree.ts';`), []);
});

test('doors() refuses a file behind the door, from sources and from tests', () => {
  assert.deepEqual(messages('src/store/folder.ts', `import '../base/bytes.ts';`), [
    `imports '../base/bytes.ts': the door is src/base/mod.ts`,
  ]);
  assert.equal(messages('test/kill.test.ts', `import '../src/store/folder.ts';`).length, 1);
  assert.equal(messages('src/restore/plan.ts', `import './access/mount.ts';`).length, 1);
});

test('doors() opens a folder for testing to tests alone', () => {
  const text = `import './testing/suite.ts'; import '../base/testing/clock.ts';`;
  assert.deepEqual(messages('src/store/folder.test.ts', text), []);
  assert.deepEqual(
    messages('src/store/testing/faults.ts', `import './suite.ts'; import '../folder.ts';`),
    [],
  );
  assert.deepEqual(messages('src/store/folder.ts', text), [
    `imports './testing/suite.ts': only tests may`,
    `imports '../base/testing/clock.ts': only tests may`,
  ]);
});

test('doors() lets a worker be loaded by its URL', () => {
  assert.deepEqual(messages('bench/cut.ts', `new URL('../src/chunk/worker.ts', import.meta.url)`), []);
});

test('doors() refuses a door that does not list its exports', () => {
  assert.deepEqual(doors([{ path: 'src/base/mod.ts', text: `export { a } from './a.ts';` }]), []);
  const violations = doors([{ path: 'src/base/mod.ts', text: `\nexport * from './a.ts';` }]);
  assert.deepEqual(violations, [
    { path: 'src/base/mod.ts', line: 2, message: 'exports *: list the exports by name' },
  ]);
});

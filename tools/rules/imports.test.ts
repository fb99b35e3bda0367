import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importsOf } from './imports.ts';

function found(text: string): string[] {
  return importsOf({ path: 'src/chunk/pool.ts', text }).map(
    ({ line, specifier, target, byUrl }) => `${line} ${specifier} ${target ?? '-'}${byUrl ? ' by URL' : ''}`,
  );
}

test('importsOf() finds every form of import', () => {
  const text = `import { a } from '../base/mod.ts';
import type { B } from "./b.ts";
import * as c from 'koffi';
import {
  d,
  e,
} from
  './d.ts';
import './f.ts';
export { g } from './g.ts';
export * from './h.ts';
const i = await import('./i.ts');
type J = import('./j.ts').J;
`;
  assert.deepEqual(found(text), [
    '1 ../base/mod.ts src/base/mod.ts',
    '2 ./b.ts src/chunk/b.ts',
    '3 koffi -',
    '8 ./d.ts src/chunk/d.ts',
    '9 ./f.ts src/chunk/f.ts',
    '10 ./g.ts src/chunk/g.ts',
    '11 ./h.ts src/chunk/h.ts',
    '12 ./i.ts src/chunk/i.ts',
    '13 ./j.ts src/chunk/j.ts',
  ]);
});

test('importsOf() takes comments, strings, templates and regular expressions for what they are', () => {
  const text = `// import './a.ts';
/* import './b.ts'; */
const c = "import './c.ts'";
const d = \`import './d.ts' \${\`\${{ e: 1 }.e}\`} from './e.ts'\`;
const f = /['"\`]/.test(c) ? Array.from('x') : 4 / 2 / 1;
const g = [/[/'"]/, import('./g.ts')];
`;
  assert.deepEqual(found(text), ['6 ./g.ts src/chunk/g.ts']);
});

test('importsOf() finds a worker that is loaded by its URL', () => {
  const text = `
const url = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);
const name = './no-import.ts';
`;
  assert.deepEqual(found(text), ['2 ./worker.ts src/chunk/worker.ts by URL']);
});

test('importsOf() finds an import inside a template', () => {
  assert.deepEqual(found(`const a = \`x\${await import('./a.ts')}y\`;`), ['1 ./a.ts src/chunk/a.ts']);
});

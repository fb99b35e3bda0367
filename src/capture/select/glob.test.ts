import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { byteStringFromText, bytesOf, isEverfullError } from '../../base/mod.ts';
import { expandGlob } from './glob.ts';
import { escapePattern } from './patterns.ts';

let root = '';

before(() => {
  root = byteStringFromText(mkdtempSync(join(tmpdir(), 'everfull-glob-')));
  for (const folder of ['/a', '/b', '/a/sub', '/.hid']) mkdirSync(bytesOf(root + folder));
  for (const file of ['/a/1.txt', '/a/2.txt', '/a/\xff.txt', '/b/1.txt', '/.hid/1.txt', '/*', '/plain']) {
    writeFileSync(bytesOf(root + file), '');
  }
  symlinkSync('nowhere', bytesOf(`${root}/dangling`));
  symlinkSync('a', bytesOf(`${root}/link`));
});

after(() => rmSync(bytesOf(root), { recursive: true }));

test('expandGlob() gives the existing paths that fit, in byte order', () => {
  const cases: [pattern: string, paths: string[]][] = [
    ['/plain', ['/plain']],
    ['/missing', []],
    ['/plain/x', []],
    ['/dangling', ['/dangling']],
    ['/*', ['/*', '/.hid', '/a', '/b', '/dangling', '/link', '/plain']],
    ['/*/', ['/*', '/.hid', '/a', '/b', '/dangling', '/link', '/plain']],
    ['/\\*', ['/*']],
    ['/a/*.txt', ['/a/1.txt', '/a/2.txt', '/a/\xff.txt']],
    ['/a/?.txt', ['/a/1.txt', '/a/2.txt', '/a/\xff.txt']],
    ['/*/1.txt', ['/.hid/1.txt', '/a/1.txt', '/b/1.txt', '/link/1.txt']],
    ['/[ab]/[12].txt', ['/a/1.txt', '/a/2.txt', '/b/1.txt']],
    ['/**/1.txt', ['/.hid/1.txt', '/a/1.txt', '/b/1.txt', '/link/1.txt']],
    ['//a///s*', ['/a/sub']],
    ['/nothing*', []],
    ['/a/sub/*', []],
  ];
  for (const [pattern, paths] of cases) {
    const result = expandGlob(escapePattern(root) + pattern);
    assert.deepEqual(result, { paths: paths.map((path) => root + path), failures: [] }, pattern);
  }
});

test('expandGlob() keeps relative patterns relative, and knows the root', () => {
  assert.deepEqual(expandGlob('/').paths, ['/']);
  assert.deepEqual(expandGlob('').paths, []);
  assert.ok(expandGlob('package.jso?').paths.every((path) => path === 'package.json'));
  assert.ok(expandGlob('*').paths.every((path) => !path.startsWith('/') && !path.startsWith('.//')));
});

test('expandGlob() refuses a pattern that is not well-formed and reports folders it cannot list', () => {
  assert.throws(
    () => expandGlob('/x/['),
    (error) => isEverfullError(error, 'usage') && error.message.includes('"/x/["'),
  );
  const { paths, failures } = expandGlob(`/${'n'.repeat(300)}/*`);
  assert.deepEqual(paths, []);
  assert.deepEqual(
    failures.map(({ code }) => code),
    ['source-unreadable'],
  );
});

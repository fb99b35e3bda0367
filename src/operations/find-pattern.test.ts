import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEverfullError } from '../base/mod.ts';
import { compileFindPattern } from './find-pattern.ts';

const PATHS = [
  '/t',
  '/t/foo',
  '/t/x',
  '/t/x/bar',
  '/t/foo/a',
  '/t/foo/bar',
  '/t/foo/bar/baz',
  '/t/foo/bar/baz/f',
  '/foo',
  '/foo/Bar',
  '/\xc3\xa9\xff',
];

function matching(pattern: string, ignoreCase = false): string[] {
  const compiled = compileFindPattern(pattern, { ignoreCase });
  return PATHS.filter((path) => {
    const slash = path.lastIndexOf('/');
    const name = path.slice(slash + 1);
    const matches = compiled.matchesName(name) && compiled.matchesFolder(path.slice(0, slash) || '/');
    assert.ok(!matches || compiled.literal === undefined || compiled.literal === name);
    return matches;
  });
}

test('a pattern without a slash matches base names at any depth, and not what is below', () => {
  assert.deepEqual(matching('bar'), ['/t/x/bar', '/t/foo/bar']);
  assert.deepEqual(matching('b?r'), ['/t/x/bar', '/t/foo/bar']);
  assert.deepEqual(matching('ba*'), ['/t/x/bar', '/t/foo/bar', '/t/foo/bar/baz']);
  assert.deepEqual(matching('[e-g]'), ['/t/foo/bar/baz/f']);
  assert.deepEqual(matching('ar'), []);
});

test('a pattern with a slash matches the whole path, from the root only if it begins with one', () => {
  assert.deepEqual(matching('foo/bar'), ['/t/foo/bar']);
  assert.deepEqual(matching('/foo/*'), ['/foo/Bar']);
  assert.deepEqual(matching('foo/*'), ['/t/foo/a', '/t/foo/bar', '/foo/Bar']);
  assert.deepEqual(matching('/*'), ['/t', '/foo', '/\xc3\xa9\xff']);
  assert.deepEqual(matching('/bar'), []);
});

test('two stars stand for any number of folders', () => {
  assert.deepEqual(matching('/t/**/ba?'), ['/t/x/bar', '/t/foo/bar', '/t/foo/bar/baz']);
  assert.deepEqual(matching('foo/**'), [
    '/t/foo/a',
    '/t/foo/bar',
    '/t/foo/bar/baz',
    '/t/foo/bar/baz/f',
    '/foo/Bar',
  ]);
  assert.deepEqual(matching('/t/**/foo/**/baz/**'), ['/t/foo/bar/baz/f']);
  assert.deepEqual(matching('**/foo'), ['/t/foo', '/foo']);
  assert.deepEqual(matching('**'), PATHS);
  assert.deepEqual(matching('*'), PATHS);
});

test('slashes too many mean nothing, and the root is never found', () => {
  assert.deepEqual(matching('x/'), ['/t/x']);
  assert.deepEqual(matching('/t//x/./bar'), ['/t/x/bar']);
  assert.deepEqual(matching('/'), []);
});

test('with case ignored, names and folders match in any case', () => {
  assert.deepEqual(matching('/FOO/b*', true), ['/foo/Bar']);
  assert.deepEqual(matching('bAr', true), ['/t/x/bar', '/t/foo/bar', '/foo/Bar']);
  assert.deepEqual(matching('\xc3\x89*', true), ['/\xc3\xa9\xff']);
  assert.deepEqual(matching('\xc3\x89*'), []);
});

test('an empty or malformed pattern is refused', () => {
  for (const pattern of ['', 'a[', 'a/[b/c', 'x\\']) {
    assert.throws(
      () => compileFindPattern(pattern, { ignoreCase: false }),
      (error) => isEverfullError(error, 'usage'),
    );
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { byteStringFromText, isEverfullError } from '../../base/mod.ts';
import { compilePatterns, escapePattern } from './patterns.ts';

test('a pattern matches paths as restic documents it', () => {
  const cases: [pattern: string, path: string, matched: boolean][] = [
    ['foo', '/dir1/foo/dir2/file', true],
    ['foo', '/dir/foo', true],
    ['foo', '/dir/foobar', false],
    ['foo', '/barfoo', false],
    ['foo', '/foo', true],
    ['Foo', '/foo', false],
    ['/bin', '/bin/bash', true],
    ['/bin', '/bin', true],
    ['/bin', '/usr/bin/restic', false],
    ['/bin', '/binary', false],
    ['/bin/', '/bin/bash', true],
    ['bin/', '/usr/bin', true],
    ['b*ash', '/bin/bash', true],
    ['b*ash', '/bin/ash', false],
    ['foo/**/bar', '/dir1/foo/dir2/bar/file', true],
    ['foo/**/bar', '/foo/bar/file', true],
    ['foo/**/bar', '/tmp/foo/bar', true],
    ['foo/**/bar', '/foo/x/y/z/bar', true],
    ['foo/**/bar', '/bar/foo', false],
    ['foo/**/bar', '/foo/x/y', false],
    ['foo/*/bar', '/foo/bar', false],
    ['foo/*/bar', '/foo/x/bar/y', true],
    ['foo/*/bar', '/foo/x/y/bar', false],
    ['a/b', '/x/a/b/y', true],
    ['a/b', '/a/x/b', false],
    ['*.go', '/src/deep/main.go', true],
    ['*.go', '/src/pkg.go/readme', true],
    ['*.go', '/src/main.c', false],
    ['/*.go', '/main.go', true],
    ['/*.go', '/src/main.go', false],
    ['/home/*', '/home', false],
    ['/home/*', '/home/user', true],
    ['/home/*', '/home/user/x/y', true],
    ['/home/*/.cache', '/home/u/.cache/x', true],
    ['/home/*/.cache', '/home/u/x/.cache', false],
    ['/home/**/.cache', '/home/.cache', true],
    ['/home/**/.cache', '/home/u/x/.cache', true],
    ['/home/**/.cache', '/root/.cache', false],
    ['/foo/**', '/foo', true],
    ['/foo/**', '/foo/x', true],
    ['foo/**/**', '/x/foo', true],
    ['**/foo', '/foo', true],
    ['**/foo', '/a/b/foo', true],
    ['/**/foo', '/a/b/foo/c', true],
    ['**', '/a', true],
    ['**/**', '/a/b', true],
    ['*', '/a/b', true],
    ['/', '/a/b', true],
    ['/**', '/a', true],
    ['*/*', '/a', false],
    ['*/*', '/a/b', true],
    ['/a/**/b/**/c', '/a/b/c', true],
    ['/a/**/b/**/c', '/a/1/b/2/b/3/c/d', true],
    ['/a/**/b/**/c', '/a/1/c/2/b', false],
    ['a/**/b/c', '/a/b/x/b/c', true],
    ['a**b', '/axxb', true],
    ['a**b', '/a/b', false],
    ['/foo//bar', '/foo/bar', true],
    ['/foo/./bar', '/foo/bar', true],
    ['/foo/../bar', '/bar', true],
    ['/foo/../bar', '/foo/bar', false],
    ['./foo', '/x/foo', true],
    ['../foo', '/foo', false],
    ['.', '/foo', false],
    ['', '/foo', false],
    ['!', '/foo', false],
    ['!foo', '/foo', false],
    ['\\!foo', '/!foo', true],
    ['x/!foo', '/x/!foo', true],
    ['[a-c]at', '/x/bat', true],
    ['foo bar', '/foo bar/x', true],
    [' foo', '/foo', false],
    ['~/x', '/home/x', false],
    ['$HOME', '/$HOME', true],
    ['#x', '/#x', true],
    ['a\nb', '/a\nb', true],
    ['ü*', '/über', true],
    ['?', '/ü', true],
    ['??', '/ü', false],
  ];
  for (const [pattern, path, matched] of cases) {
    const list = compilePatterns([byteStringFromText(pattern)]);
    assert.equal(list.matches(byteStringFromText(path)), matched, `${pattern} on ${path}`);
    assert.equal(list.match(byteStringFromText(path)).matched, matched, `${pattern} on ${path}`);
  }
});

test('the last pattern that matches a path decides', () => {
  const cases: [patterns: string[], path: string, matched: boolean][] = [
    [['*.o', '!keep.o'], '/x/a.o', true],
    [['*.o', '!keep.o'], '/x/keep.o', false],
    [['!keep.o', '*.o'], '/x/keep.o', true],
    [['*.o', '!keep.o', 'keep.o'], '/keep.o', true],
    [['/home/u/*', '!/home/u/doc'], '/home/u/doc', false],
    [['/home/u/*', '!/home/u/doc'], '/home/u/doc/deep/file', false],
    [['/home/u/*', '!/home/u/doc'], '/home/u/music', true],
    [['/home/u/*', '!/home/u/doc', 'node_modules'], '/home/u/doc/node_modules/x', true],
    [
      ['/home/u/*', '!/home/u/doc', 'node_modules', '!/home/u/doc/node_modules/x'],
      '/home/u/doc/node_modules/x',
      false,
    ],
    [['a/**/b', '!a/**/b/c'], '/a/x/b/c/d', false],
    [['**', '!/etc'], '/etc/passwd', false],
    [['/', '!/etc'], '/etc', false],
    [['/', '!/etc'], '/usr', true],
    [['!/', 'x'], '/x', true],
    [['', 'x', ''], '/x', true],
    [[], '/x', false],
  ];
  for (const [patterns, path, matched] of cases) {
    assert.equal(compilePatterns(patterns).matches(path), matched, `${patterns} on ${path}`);
  }
});

test('match() says of a folder whether something below it may match', () => {
  const cases: [patterns: string[], path: string, matched: boolean, childMayMatch: boolean][] = [
    [['foo/bar'], '/baz', false, true],
    [['*.c'], '/a/b', false, true],
    [['/foo/bar/baz'], '/', false, true],
    [['/foo/bar/baz'], '/foo', false, true],
    [['/foo/bar/baz'], '/foo/bar', false, true],
    [['/foo/bar/baz'], '/foo/bar/baz', true, true],
    [['/foo/bar/baz'], '/foo/bar/baz/qux', true, true],
    [['/foo/bar/baz'], '/foo/baz', false, false],
    [['/foo/bar/baz'], '/fo', false, false],
    [['/foo/*/qux'], '/foo/x', false, true],
    [['/foo/*/qux'], '/foo/x/y', false, false],
    [['/foo/*/qux'], '/bar', false, false],
    [['/foo/**/qux'], '/foo', false, true],
    [['/foo/**/qux'], '/foo/a/b/c', false, true],
    [['/foo/**/qux'], '/bar/a', false, false],
    [['/**/bar'], '/x', false, true],
    [['/*/bar'], '/x', false, true],
    [['/*/bar'], '/x/y', false, false],
    [['/'], '/', true, true],
    [['/a', '/b/c'], '/b', false, true],
    [['/a', '!/a/b'], '/a', true, true],
    [['/a', '!/a/b'], '/a/b', false, false],
    [['/a', '!/a/b', '/a/b/c'], '/a/b', false, true],
    [['/a', '!b'], '/a/x/b/y', false, false],
    [['*.c', '!/tmp'], '/tmp/x', false, false],
    [[], '/a', false, false],
  ];
  for (const [patterns, path, matched, childMayMatch] of cases) {
    assert.deepEqual(
      compilePatterns(patterns).match(path),
      { matched, childMayMatch },
      `${patterns} on ${path}`,
    );
  }
});

test('ignoreCase compares characters, not bytes, without case', () => {
  const cases: [pattern: string, path: string, matched: boolean][] = [
    ['*.JPG', '/Photos/a.jpg', true],
    ['photos', '/PHOTOS/a.jpg', true],
    ['/HOME/*/X', '/home/u/x', true],
    ['ÜBER', '/über', true],
    ['[A-C]x', '/Bx', true],
    ['ЖУК', '/жук/y', true],
    ['photos', '/photo', false],
  ];
  for (const [pattern, path, matched] of cases) {
    const list = compilePatterns([byteStringFromText(pattern)], { ignoreCase: true });
    assert.equal(list.matches(byteStringFromText(path)), matched, `${pattern} on ${path}`);
  }
  const latin1 = compilePatterns(['\xc9'], { ignoreCase: true });
  assert.equal(latin1.matches('/\xe9'), false, 'bytes that are not UTF-8 have no case');
  assert.equal(latin1.matches('/\xc9'), true);
});

test('a pattern that is not well-formed is named in the error', () => {
  for (const pattern of ['[', 'ok/[a', '!x/[', 'a\\', '[a/b]', 'x/**/[-]']) {
    assert.throws(
      () => compilePatterns(['fine', pattern]),
      (error) => isEverfullError(error, 'usage') && error.context.pattern === pattern,
      pattern,
    );
  }
});

test('a path deeper than any system call allows is matched too', () => {
  const deep = '/d'.repeat(5000);
  assert.equal(compilePatterns(['/d/**/x']).matches(`${deep}/x`), true);
  assert.equal(compilePatterns([deep]).matches(`${deep}/x`), true);
  assert.equal(compilePatterns([`${deep}/y`]).match(`${deep}/x`).childMayMatch, false);
});

const nameUnit = fc.constantFrom(
  'a',
  'b',
  '*',
  '?',
  '[',
  ']',
  '\\',
  '!',
  '^',
  '-',
  ' ',
  '\n',
  '\xff',
  '\xc3\xa9',
);
const anyName = fc.string({ unit: nameUnit, minLength: 1, maxLength: 4 });
const anyPath = fc.array(anyName, { minLength: 1, maxLength: 5 }).map((names) => `/${names.join('/')}`);

test('an escaped path matches itself and what is below it, and no other path', () => {
  fc.assert(
    fc.property(anyPath, anyPath, (path, other) => {
      const list = compilePatterns([escapePattern(path)]);
      assert.ok(list.matches(path));
      assert.ok(list.matches(`${path}/x`));
      assert.equal(list.matches(other), `${other}/`.startsWith(`${path}/`));
    }),
  );
  fc.assert(fc.property(anyName, (name) => compilePatterns([escapePattern(name)]).matches(`/x/${name}`)));
});

// A small alphabet, so that patterns and paths meet often.
const patternPart = fc.constantFrom('a', 'b', 'c', 'ab', '*', '**', '?', 'a*', '*b', '[ab]', '?*c');
const pattern = fc
  .record({
    negated: fc.boolean(),
    anchored: fc.boolean(),
    parts: fc.array(patternPart, { minLength: 1, maxLength: 5 }),
  })
  .map(({ negated, anchored, parts }) => `${negated ? '!' : ''}${anchored ? '/' : ''}${parts.join('/')}`);
const patterns = fc.array(pattern, { minLength: 1, maxLength: 5 });
const path = fc
  .array(fc.constantFrom('a', 'b', 'c', 'ab', 'abc', 'd'), { minLength: 1, maxLength: 6 })
  .map((names) => `/${names.join('/')}`);

/** The same rules written down as one regular expression for each pattern. */
function matchedByExpressions(list: readonly string[], text: string): boolean {
  let matched = false;
  for (const line of list) {
    const body = line.replace(/^!/, '');
    const parts = body.replace(/^\//, '').split('/');
    // Only `**` stands for nothing at all, and a pattern matches no less than one name.
    const source = parts.map((part) =>
      part === '**' ? '(?:/[^/]+)*' : `/${part.replaceAll('?', '[^/]').replaceAll('*', '[^/]*')}`,
    );
    const start = body.startsWith('/') ? '' : '(?:/[^/]+)*';
    const expression = new RegExp(`^${start}${source.join('')}(?:/.*)?$`);
    if (expression.test(text)) matched = !line.startsWith('!');
  }
  return matched;
}

test('lists of patterns agree with regular expressions, in whatever order paths come', () => {
  fc.assert(
    fc.property(patterns, fc.array(path, { minLength: 1, maxLength: 20 }), (lines, paths) => {
      const list = compilePatterns(lines);
      for (const one of paths) assert.equal(list.matches(one), matchedByExpressions(lines, one), one);
    }),
    { numRuns: 1000 },
  );
});

test('a folder above a path that matches is never said to hold nothing', () => {
  fc.assert(
    fc.property(patterns, path, (lines, text) => {
      const list = compilePatterns(lines.filter((line) => !line.startsWith('!')));
      if (!list.matches(text)) return;
      for (let end = text.length; end >= 0; end = text.lastIndexOf('/', end - 1)) {
        assert.ok(list.match(text.slice(0, end) || '/').childMayMatch);
        if (end === 0) break;
      }
    }),
    { numRuns: 1000 },
  );
});

test('what matches a folder matches everything below it', () => {
  fc.assert(
    fc.property(patterns, path, path, (lines, folder, below) => {
      const list = compilePatterns(lines.filter((line) => !line.startsWith('!')));
      if (list.matches(folder)) assert.ok(list.matches(folder + below));
    }),
  );
});

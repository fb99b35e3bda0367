import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { byteStringFromText, isEverfullError } from '../../base/mod.ts';
import { compileComponent } from './component.ts';

test('compileComponent() matches names as filepath.Match documents it', () => {
  const cases: [pattern: string, name: string, matched: boolean][] = [
    ['abc', 'abc', true],
    ['abc', 'abcd', false],
    ['abc', 'ab', false],
    ['*', '', true],
    ['*', '.hidden', true],
    ['***', 'x', true],
    ['*c', 'abc', true],
    ['*c', 'abcx', false],
    ['a*', 'a', true],
    ['a*', 'ba', false],
    ['*b*', 'abc', true],
    ['*b*', 'ac', false],
    ['a*c', 'ac', true],
    ['a*c', 'abbbc', true],
    ['aa*aa', 'aaa', false],
    ['aa*aa', 'aaaa', true],
    ['a*b*c', 'aXbYc', true],
    ['a*b*c', 'aXcYb', false],
    ['*ab*ab', 'abab', true],
    ['*ab*ab', 'ab', false],
    ['a*b?c*x', 'abxbbxdbxebxczzx', true],
    ['a*b?c*x', 'abxbbxdbxebxczzy', false],
    ['?', 'a', true],
    ['?', '', false],
    ['?', 'ab', false],
    ['a?b', 'a☺b', true],
    ['a???b', 'a☺b', false],
    ['*?', 'é', true],
    ['?*?', 'é', false],
    ['[abc]', 'b', true],
    ['[^abc]', 'b', false],
    ['[^abc]', 'd', true],
    ['[^abc]', '', false],
    ['[a-c]x', 'bx', true],
    ['[a-c]x', 'dx', false],
    ['[!a]', '!', true],
    ['[!a]', 'b', false],
    ['[α-ω]', 'λ', true],
    ['[a-z][0-9].txt', 'q7.txt', true],
    ['[\\]]', ']', true],
    ['[\\-x]', '-', true],
    ['[x\\-]', '-', true],
    ['a]', 'a]', true],
    ['a-b', 'a-b', true],
    ['\\*', '*', true],
    ['\\*', 'x', false],
    ['\\a\\\\', 'a\\', true],
    ['a\\*b*', 'a*bcd', true],
    ['{a,b}', 'a', false],
    ['**.o', 'x.o', true],
    ['a b', 'a b', true],
    ['*\n*', 'a\nb', true],
  ];
  for (const [pattern, name, matched] of cases) {
    const bytes = byteStringFromText(pattern);
    const { matches } = compileComponent(bytes, bytes);
    assert.equal(matches(byteStringFromText(name)), matched, `${pattern} on ${name}`);
  }
});

test('compileComponent() takes a byte that is not UTF-8 as one character', () => {
  const matches = (pattern: string, name: string) => compileComponent(pattern, pattern).matches(name);
  assert.equal(matches('a?b', 'a\xffb'), true);
  assert.equal(matches('??', '\xe2\x98'), true);
  assert.equal(matches('?', '\xe2\x98\xba'), true);
  assert.equal(matches('a\xff*', 'a\xffz'), true);
  assert.equal(matches('[^a]', '\xff'), true);
  assert.equal(matches('??', '\xc0\xaf'), true, 'an overlong form is no character');
  assert.equal(matches('???', '\xed\xa0\x80'), true, 'a surrogate is no character');
});

test('compileComponent() refuses what is not well-formed and names the whole pattern', () => {
  const patterns = [
    '[',
    '[a',
    '[a-',
    '[]',
    '[]a]',
    '[^]',
    '[-x]',
    '[a-]',
    '[x-]',
    'a\\',
    '[\\',
    '[a\\',
    '*[',
    '[\xff]',
  ];
  for (const pattern of patterns) {
    assert.throws(
      () => compileComponent(pattern, `dir/${pattern}`),
      (error) => isEverfullError(error, 'usage') && error.message.includes(`"dir/`),
      pattern,
    );
  }
});

test('compileComponent() agrees with a regular expression on ASCII names', () => {
  const piece = fc.constantFrom('a', 'b', '.', '*', '?', '[ab]', '[^a]', '[a-b]', '\\*');
  const name = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*'), maxLength: 8 });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 7 }), name, (pieces, text) => {
      const source = pieces
        .map((one) => (one === '*' ? '.*' : one === '?' ? '.' : one === '.' ? '\\.' : one))
        .join('');
      const pattern = pieces.join('');
      assert.equal(
        compileComponent(pattern, pattern).matches(text),
        new RegExp(`^(?:${source})$`).test(text),
      );
    }),
    { numRuns: 2000 },
  );
});

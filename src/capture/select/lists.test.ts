import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { byteStringFromText, isEverfullError } from '../../base/mod.ts';
import { parseExcludeFile, parseFilesFrom, parseFilesFromRaw, parseFilesFromVerbatim } from './lists.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');

test('parseExcludeFile() drops comments, blank lines and white space at the ends', () => {
  const text =
    '# go files\n*.go\n\n   \n  foo bar star.txt \t\r\n#x\n  # indented comment\nfoo#bar\n\\#x\n!keep\nlast';
  const patterns = ['*.go', 'foo bar star.txt', 'foo#bar', '\\#x', '!keep', 'last'];
  assert.deepEqual(parseExcludeFile(bytes(text), {}), patterns);
  assert.deepEqual(parseExcludeFile(bytes(''), {}), []);
});

test('parseExcludeFile() trims Unicode white space and leaves other bytes alone', () => {
  const text = Buffer.concat([Buffer.from('\u00a0\u3000a\u2003b\u2028\n', 'utf8'), bytes('\xff x \xa0\n')]);
  assert.deepEqual(parseExcludeFile(text, {}), [byteStringFromText('a\u2003b'), '\xff x \xa0']);
});

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: these are lines of an exclude file.
test('parseExcludeFile() expands variables as os.Expand does', () => {
  const environment = { HOME: '/home/bob', USER_1: 'bob', EMPTY: '', 1: 'one', UML: 'ü', '?': 'code' };
  const cases: [line: string, pattern: string][] = [
    ['$HOME/x', '/home/bob/x'],
    ['${HOME}x', '/home/bobx'],
    ['$HOMEx', ''],
    ['a$USER_1-b', 'abob-b'],
    ['$HOME$USER_1', '/home/bobbob'],
    ['x$UNSET/y', 'x/y'],
    ['x$EMPTY', 'x'],
    ['a$$b', 'a$b'],
    ['$$HOME', '$HOME'],
    ['$', '$'],
    ['a$', 'a$'],
    ['a$/b', 'a$/b'],
    ['$.x', '$.x'],
    ['$12', 'one2'],
    ['${1}2', 'one2'],
    ['$?x', 'codex'],
    ['a${}b', 'ab'],
    ['a${HOME', 'aHOME'],
    ['${not a name}x', 'x'],
    ['~/$UML', byteStringFromText('~/ü')],
  ];
  for (const [line, pattern] of cases)
    assert.deepEqual(parseExcludeFile(bytes(line), environment), [pattern], line);
});

// biome-ignore-end lint/suspicious/noTemplateCurlyInString: see above.

test('parseFilesFrom() trims and drops comments but expands no variables', () => {
  assert.deepEqual(parseFilesFrom(bytes(' /a/* \n#c\n\n$HOME\r\nb c')), ['/a/*', '$HOME', 'b c']);
});

test('parseFilesFromVerbatim() keeps every line that is not empty as it is', () => {
  assert.deepEqual(parseFilesFromVerbatim(bytes(' a \n#b\n\n*\n\xff\n \n')), [' a ', '#b', '*', '\xff', ' ']);
});

test('text lists may be UTF-16 or begin with a byte-order mark', () => {
  const text = '/ä\n/b';
  const lines = [byteStringFromText('/ä'), '/b'];
  const utf16 = Buffer.from(`\ufeff${text}`, 'utf16le');
  assert.deepEqual(parseFilesFrom(Buffer.from(`\ufeff${text}`, 'utf8')), lines);
  assert.deepEqual(parseFilesFromVerbatim(utf16), lines);
  assert.deepEqual(parseExcludeFile(Buffer.from(utf16).swap16(), {}), lines);
});

test('parseFilesFromRaw() gives back any names that were ended with NUL', () => {
  const name = fc
    .uint8Array({ min: 1, minLength: 1, maxLength: 8 })
    .map((array) => Buffer.from(array).toString('latin1'));
  fc.assert(
    fc.property(fc.array(name), (names) => {
      assert.deepEqual(parseFilesFromRaw(bytes(names.map((one) => `${one}\0`).join(''))), names);
    }),
  );
});

test('parseFilesFromRaw() refuses an empty path and a missing NUL at the end', () => {
  for (const text of ['\0', 'a\0\0b\0', 'a', 'a\0b']) {
    assert.throws(
      () => parseFilesFromRaw(bytes(text)),
      (error) => isEverfullError(error, 'usage'),
    );
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byteStringFromText } from '../../base/mod.ts';
import { escapePath, escapeText, isUtf8 } from './text.ts';

test('escapeText() leaves nothing that a terminal would obey', () => {
  assert.equal(escapeText('a\x1b[31mb\nc\td\u202ee\x7f\x9b'), 'a\\x1b[31mb\\nc\\td\\u202ee\\x7f\\x9b');
  assert.equal(escapeText('Größe 文件'), 'Größe 文件');
});

test('escapePath() shows UTF-8 as text and other bytes by their number', () => {
  assert.equal(escapePath('/plain'), '/plain');
  assert.equal(escapePath(byteStringFromText('/Grün')), '/Grün');
  assert.equal(escapePath(`/${byteStringFromText('ü')}\xff\xc3`), '/ü\\xff\\xc3');
  assert.equal(escapePath('/a\nb\xfe'), '/a\\nb\\xfe');
});

test('isUtf8() tells text from other bytes', () => {
  assert.equal(isUtf8(byteStringFromText('/Grün')), true);
  assert.equal(isUtf8('/a\xff'), false);
});

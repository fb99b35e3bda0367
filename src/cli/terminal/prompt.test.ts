import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SecretLine } from './prompt.ts';

function typed(...pieces: string[]): string {
  const line = new SecretLine();
  for (const piece of pieces) line.take(Buffer.from(piece, 'latin1'));
  return line.text;
}

test('SecretLine gives the line at Enter, however the keys come in', () => {
  assert.equal(typed('geheim \xc3\xbc\r'), 'geheim ü');
  assert.equal(typed('a', '\xc3', '\xbc', '\n'), 'aü');
  assert.equal(new SecretLine().take(Buffer.from('abc')), undefined);
});

test('SecretLine leaves what was typed ahead', () => {
  assert.equal(new SecretLine().take(Buffer.from('one\ntwo\n')), 4);
});

test('SecretLine obeys backspace by whole characters, and Ctrl-U', () => {
  assert.equal(typed('a\xc3\xbc\xe6\x96\x87\x7f\x7fb\r'), 'ab');
  assert.equal(typed('\x7fwrong\x15right\r'), 'right');
});

test('SecretLine ends at Ctrl-C, and at Ctrl-D where nothing was typed', () => {
  assert.throws(() => typed('ab\x03'), { code: 'interrupted' });
  assert.throws(() => typed('\x04'), { code: 'no-password' });
});

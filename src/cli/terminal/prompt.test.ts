import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SecretLine } from './prompt.ts';

function keys(text: string): Buffer {
  return Buffer.from(text, 'utf8');
}

test('SecretLine gives the line at Enter, however the keys come in', () => {
  assert.equal(new SecretLine().take(keys('geheim ü\r')), 'geheim ü');
  const slow = new SecretLine();
  for (const byte of keys('aü')) assert.equal(slow.take(Buffer.of(byte)), undefined);
  assert.equal(slow.take(keys('\n')), 'aü');
});

test('SecretLine obeys backspace by whole characters, and Ctrl-U', () => {
  assert.equal(new SecretLine().take(keys('aü文\x7f\x7fb\r')), 'ab');
  assert.equal(new SecretLine().take(keys('\x7fwrong\x15right\r')), 'right');
});

test('SecretLine ends at Ctrl-C, and at Ctrl-D where nothing was typed', () => {
  assert.throws(() => new SecretLine().take(keys('ab\x03')), { code: 'interrupted' });
  assert.throws(() => new SecretLine().take(keys('\x04')), { code: 'no-password' });
});

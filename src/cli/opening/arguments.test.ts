import assert from 'node:assert/strict';
import { test } from 'node:test';
import { argumentReader } from './arguments.ts';

test('argumentReader() finds the bytes of arguments that are not UTF-8', () => {
  const bytes = argumentReader(() => Buffer.from('node\0backup\0/a\xff\0--tag=\xfe\0', 'latin1'));
  assert.equal(bytes('/a\ufffd'), '/a\xff');
  assert.equal(bytes('\ufffd'), '\xfe');
  assert.equal(bytes('/ü'), '/\xc3\xbc');
});

test('argumentReader() takes a real U+FFFD for what it is', () => {
  const bytes = argumentReader(() => Buffer.from('node\0/a\ufffd\0', 'utf8'));
  assert.equal(bytes('/a\ufffd'), '/a\xef\xbf\xbd');
});

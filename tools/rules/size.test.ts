import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LINES_MAX, size } from './size.ts';

test('size() accepts the longest file allowed', () => {
  assert.deepEqual(size([{ path: 'src/a/mod.ts', text: 'x\n'.repeat(LINES_MAX) }]), []);
});

test('size() refuses one line more', () => {
  const text = 'x\n'.repeat(LINES_MAX + 1);
  assert.deepEqual(size([{ path: 'src/a/mod.ts', text }]), [
    { path: 'src/a/mod.ts', message: `has ${LINES_MAX + 1} lines: at most ${LINES_MAX}` },
  ]);
});

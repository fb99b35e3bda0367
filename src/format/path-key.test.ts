import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  folderPrefix,
  isName,
  isPathKey,
  NAME_BYTES_MAX,
  pathKeyOf,
  pathOfKey,
  prefixEnd,
  subtreePrefix,
} from './path-key.ts';
import { fileName, path } from './testing/arbitraries.ts';

const components = (text: string) => (text === '/' ? [] : text.slice(1).split('/'));

/** The order that path-key.md tells: a folder's own entries, then its subfolders, each whole. */
function compare(a: string, b: string): number {
  const left = components(a);
  const right = components(b);
  if (left.length === 0 || right.length === 0) return left.length - right.length;
  for (let i = 0; ; i++) {
    const isNameA = i === left.length - 1;
    const isNameB = i === right.length - 1;
    if (isNameA !== isNameB) return isNameA ? -1 : 1;
    if (left[i] !== right[i]) return left[i]! < right[i]! ? -1 : 1;
    if (isNameA) return 0;
  }
}

test('the key of a path leads back to the path, and is one', () => {
  fc.assert(
    fc.property(path, (text) => {
      assert.equal(pathOfKey(pathKeyOf(text)), text);
      assert.ok(isPathKey(pathKeyOf(text)));
    }),
    { numRuns: 1000 },
  );
});

test('keys sort by component, with the entries of a folder before those of its subfolders', () => {
  fc.assert(
    fc.property(path, path, (a, b) => {
      const [left, right] = [pathKeyOf(a), pathKeyOf(b)];
      assert.equal(Math.sign(compare(a, b)), left < right ? -1 : left > right ? 1 : 0);
    }),
    { numRuns: 3000 },
  );
});

test('what begins with the prefix of a folder is exactly what lies directly in it, or below it', () => {
  fc.assert(
    fc.property(path, fc.array(path, { maxLength: 20 }), fileName, (folder, paths, name) => {
      const inside = folder === '/' ? `/${name}` : `${folder}/${name}`;
      for (const text of [...paths, inside, `${inside}/x`]) {
        const parent = text === '/' ? undefined : text.slice(0, Math.max(1, text.lastIndexOf('/')));
        const key = pathKeyOf(text);
        assert.equal(text !== '/' && key.startsWith(folderPrefix(folder)), parent === folder, text);
        const isBelow = folder === '/' || text.startsWith(`${folder}/`);
        assert.equal(key.startsWith(subtreePrefix(folder)), isBelow, text);
      }
    }),
    { numRuns: 500 },
  );
});

test('the end of a prefix is the least key above all that begin with it', () => {
  const text = fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
  fc.assert(
    fc.property(text, text, (prefix, other) => {
      const end = prefixEnd(prefix);
      const isAbove = end !== undefined && other >= end;
      assert.equal(isAbove, !other.startsWith(prefix) && other > prefix);
    }),
    { numRuns: 2000 },
  );
  assert.equal(prefixEnd('\xff\xff'), undefined);
});

test('keys that no path has are told apart', () => {
  for (const key of [
    'a',
    '\0',
    'a\0b',
    'a\0\0',
    '\0\0\0x',
    '\0.',
    '\0..',
    '..\0\0x',
    '\0a/b',
    'a/b\0\0c',
    'a\0\0\0b',
  ])
    assert.equal(isPathKey(key), false, JSON.stringify(key));
  assert.ok(isName('x'.repeat(NAME_BYTES_MAX)));
  assert.equal(isName('x'.repeat(NAME_BYTES_MAX + 1)), false);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEverfullError } from '../../base/mod.ts';
import { CACHE_MARKER, parseExcludeIfPresent } from './markers.ts';
import { RestoreSelection } from './restore-selection.ts';
import { compileExcludes, leavesOut, Selection } from './selection.ts';

test('a selection without options leaves out nothing', () => {
  const selection = new Selection();
  assert.equal(selection.excludesPath('/a'), false);
  assert.equal(selection.excludesSize(Number.MAX_SAFE_INTEGER), false);
  assert.equal(selection.excludesDevice(1, 2), false);
  assert.deepEqual(selection.markers, []);
  assert.deepEqual(
    selection.markersIn(
      () => true,
      () => assert.fail(),
    ),
    [],
  );
});

test('patterns with and without case are lists of their own: ! takes back only its own', () => {
  const excludes = compileExcludes({ excludes: ['*.o', '!keep.O'], iexcludes: ['*.TMP', '!keep.o'] });
  assert.equal(excludes.isEmpty, false);
  assert.equal(excludes.matches('/a.o'), true);
  assert.equal(excludes.matches('/keep.o'), true);
  assert.equal(excludes.matches('/a.tmp'), true);
  assert.equal(excludes.matches('/a.O'), false);
  assert.equal(compileExcludes({ excludes: [''] }).isEmpty, true);
});

test('own paths are literal and come back by no pattern', () => {
  const selection = new Selection({ ownPaths: ['/srv/re*po', '/k[1]'], excludes: ['!/srv/re*po', '!**'] });
  assert.equal(selection.excludesPath('/srv/re*po/packs/1'), true);
  assert.equal(selection.excludesPath('/k[1]'), true);
  assert.equal(selection.excludesPath('/srv/rexpo'), false);
  assert.equal(selection.excludesPath('/k1'), false);
});

test('excludesSize() leaves out what is larger than the limit, and only that', () => {
  const selection = new Selection({ excludeLargerThan: 1024 });
  assert.equal(selection.excludesSize(1024), false);
  assert.equal(selection.excludesSize(1025), true);
  assert.equal(selection.excludesSize(1025n), true);
  assert.equal(new Selection({ excludeLargerThan: 0 }).excludesSize(1), true);
});

test('excludesDevice() knows the file system of the given path', () => {
  const selection = new Selection({ oneFileSystem: true });
  assert.equal(selection.excludesDevice(7, 7), false);
  assert.equal(selection.excludesDevice(8n, 7n), true);
});

test('parseExcludeIfPresent() splits at the first colon', () => {
  assert.deepEqual(parseExcludeIfPresent('.nobackup'), { name: '.nobackup' });
  assert.deepEqual(parseExcludeIfPresent('.nobackup:'), { name: '.nobackup' });
  assert.deepEqual(parseExcludeIfPresent('a:b: c\xff'), {
    name: 'a',
    header: Buffer.from('b: c\xff', 'latin1'),
  });
  for (const text of ['', ':x', 'a/b', '/a:x']) {
    assert.throws(
      () => parseExcludeIfPresent(text),
      (error) => isEverfullError(error, 'usage'),
    );
  }
});

function markersIn(selection: Selection, files: Readonly<Record<string, string>>) {
  return selection.markersIn(
    (name) => name in files,
    (name, length) => Buffer.from(files[name]!).subarray(0, length),
  );
}

test('excludeCaches wants the signature of the cache directory specification', () => {
  const selection = new Selection({ excludeCaches: true });
  const signature = 'Signature: 8a477f597d28d172789f06886806bc55';
  assert.deepEqual(markersIn(selection, { 'CACHEDIR.TAG': `${signature}\n# made by a test` }), [
    CACHE_MARKER,
  ]);
  assert.deepEqual(markersIn(selection, { 'CACHEDIR.TAG': signature }), [CACHE_MARKER]);
  assert.deepEqual(markersIn(selection, { 'CACHEDIR.TAG': signature.slice(0, -1) }), []);
  assert.deepEqual(markersIn(selection, { 'CACHEDIR.TAG': `x${signature}` }), []);
  assert.deepEqual(markersIn(selection, { 'cachedir.tag': signature }), []);
  assert.deepEqual(
    selection.markersIn(
      () => true,
      () => undefined,
    ),
    [],
    'what cannot be read marks nothing',
  );
});

test('a marker without a header is not read', () => {
  const marker = parseExcludeIfPresent('.no');
  const selection = new Selection({ excludeIfPresent: [marker] });
  const held = selection.markersIn(
    (name) => name === '.no',
    () => assert.fail(),
  );
  assert.deepEqual(held, [marker]);
});

test('a marker leaves out everything in its folder but itself', () => {
  const one = parseExcludeIfPresent('.one');
  const two = parseExcludeIfPresent('.two');
  assert.equal(leavesOut([], '.one'), false);
  assert.equal(leavesOut([one], '.one'), false);
  assert.equal(leavesOut([one], 'file'), true);
  assert.equal(leavesOut([one, two], '.one'), true, 'the other marker leaves it out');
});

test('a restore with excludes does not look into what they match', () => {
  const selection = new RestoreSelection({ excludes: ['*.o', '/a'], iexcludes: ['TMP'] });
  assert.deepEqual(selection.choose('/b'), { selected: true, descend: true });
  assert.deepEqual(selection.choose('/a'), { selected: false, descend: false });
  assert.deepEqual(selection.choose('/x/tmp'), { selected: false, descend: false });
  assert.deepEqual(new RestoreSelection().choose('/a'), { selected: true, descend: true });
});

test('a restore with includes looks only where something may match', () => {
  const selection = new RestoreSelection({
    includes: ['/home/u/doc', '!/home/u/doc/old'],
    iincludes: ['/ETC/*.CONF'],
  });
  const cases: [path: string, selected: boolean, descend: boolean][] = [
    ['/home', false, true],
    ['/home/u', false, true],
    ['/home/v', false, false],
    ['/home/u/doc', true, true],
    ['/home/u/doc/x', true, true],
    ['/home/u/doc/old', false, false],
    ['/etc', false, true],
    ['/etc/a.conf', true, true],
    ['/etc/d', false, false],
    ['/usr', false, false],
  ];
  for (const [path, selected, descend] of cases)
    assert.deepEqual(selection.choose(path), { selected, descend }, path);
});

test('a restore takes includes or excludes, not both', () => {
  assert.throws(
    () => new RestoreSelection({ includes: ['a'], iexcludes: ['b'] }),
    (error) => isEverfullError(error, 'usage'),
  );
});

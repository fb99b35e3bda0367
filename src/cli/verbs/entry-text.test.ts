import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Entry, EntryType } from '../../format/mod.ts';
import { Output } from '../terminal/mod.ts';
import { entryJson, longLine, modeText } from './entry-text.ts';

function entry(changes: Partial<Entry>): Entry {
  return {
    type: EntryType.folder,
    flags: 0,
    mode: 0o755,
    uid: 0,
    gid: 7,
    mtimeSeconds: 1,
    mtimeNanoseconds: 5,
    xattrs: [],
    inodeFlags: 0,
    linkGroup: undefined,
    fingerprint: undefined,
    content: undefined,
    target: undefined,
    deviceMajor: 0,
    deviceMinor: 0,
    ...changes,
  };
}

test('modeText() writes modes as ls does', () => {
  assert.equal(modeText({ type: EntryType.folder, mode: 0o1777 }), 'drwxrwxrwt');
  assert.equal(modeText({ type: EntryType.file, mode: 0o4755 }), '-rwsr-xr-x');
  assert.equal(modeText({ type: EntryType.file, mode: 0o6644 }), '-rwSr-Sr--');
  assert.equal(modeText({ type: EntryType.symlink, mode: 0o777 }), 'lrwxrwxrwx');
});

test('entryJson() gives mode and permissions as restic, which takes them from Go', () => {
  const show = (changes: Partial<Entry>) => {
    const { mode, permissions, type } = entryJson('/a/b', entry(changes));
    return [mode, permissions, type];
  };
  // Values printed by `restic ls --json`.
  assert.deepEqual(show({}), [2147484141, 'drwxr-xr-x', 'dir']);
  assert.deepEqual(show({ mode: 0o1777 }), [2148532735, 'dtrwxrwxrwx', 'dir']);
  assert.deepEqual(show({ type: EntryType.symlink, mode: 0o777, target: 'x' }), [
    134218239,
    'Lrwxrwxrwx',
    'symlink',
  ]);
  assert.deepEqual(show({ type: EntryType.file, mode: 0o4755, content: { pieces: [] } }), [
    8389101,
    'urwxr-xr-x',
    'file',
  ]);
  assert.deepEqual(show({ type: EntryType.characterDevice, mode: 0o666 }), [
    69206454,
    'Dcrw-rw-rw-',
    'chardev',
  ]);
});

test('entryJson() keeps the bytes of a path that is not UTF-8, and nanoseconds', () => {
  const shown = entryJson('/a/\xff', entry({}));
  assert.equal(shown.path, '/a/\ufffd');
  assert.equal(shown.name, '\ufffd');
  assert.equal(shown.path_base64, Buffer.from('/a/\xff', 'latin1').toString('base64'));
  assert.equal(shown.mtime, '1970-01-01T00:00:01.000000005Z');
  assert.equal(entryJson('/a', entry({ mtimeSeconds: -1 })).mtime, '1969-12-31T23:59:59.000000005Z');
});

test('longLine() shows the device of a device and the target of a link', () => {
  const output = new Output(process.stdout);
  assert.match(
    longLine(output, '/d', entry({ type: EntryType.blockDevice, deviceMajor: 8, deviceMinor: 1 })),
    / 8, 1 .* \/d$/,
  );
  assert.match(longLine(output, '/l', entry({ type: EntryType.symlink, target: '/t' })), /^l.* \/l -> \/t$/);
});

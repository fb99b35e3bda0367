import assert from 'node:assert/strict';
import { mkdtempDisposableSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { AT_FDCWD, close, openDirectory, write } from '../os/mod.ts';
import { temporaryName } from './workbench.ts';
import { createFile } from './write-files.ts';

test('temporaryName() is the same for a name at all times, and another for another', () => {
  assert.equal(temporaryName('a'), temporaryName('a'));
  assert.notEqual(temporaryName('a'), temporaryName('b'));
  assert.ok(temporaryName('x'.repeat(255)).length < 255);
});

test('createFile() clears away what a killed restore left, but no file of a final name', () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'everfull-create-'));
  const dirfd = openDirectory(AT_FDCWD, folder.path);
  try {
    writeFileSync(join(folder.path, temporaryName('x')), 'half of what was there');
    const fd = createFile(dirfd, temporaryName('x'), true);
    write(fd, Buffer.from('new'), 0, 3, 0);
    close(fd);
    assert.deepEqual(readdirSync(folder.path), [temporaryName('x')]);
    assert.equal(readFileSync(join(folder.path, temporaryName('x')), 'utf8'), 'new');
    writeFileSync(join(folder.path, 'y'), 'there');
    assert.throws(() => createFile(dirfd, 'y', false), { code: 'EEXIST' });
  } finally {
    close(dirfd);
  }
});

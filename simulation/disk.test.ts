import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dice } from './dice.ts';
import { Disk } from './disk.ts';

/** What is at `/f/a` after many power cuts, each after `work`; undefined where it is gone. */
function outcomes(work: (disk: Disk) => void): (string | undefined)[] {
  return Array.from({ length: 200 }, (_, seed) => {
    const disk = new Disk();
    disk.makeFolder('/f');
    disk.syncFolder(disk.root);
    work(disk);
    disk.cutPower(new Dice(seed));
    return disk.folder('/f').names.has('a') ? disk.file('/f/a').data.toString('latin1') : undefined;
  });
}

const WHOLE = 'x'.repeat(1000);

function write(disk: Disk, path: string) {
  const file = disk.create(path, 0);
  disk.append(file, Buffer.from(WHOLE));
  return file;
}

test('a power cut keeps what was synced, file and folder', () => {
  const found = outcomes((disk) => {
    disk.sync(write(disk, '/f/a'));
    disk.syncFolder(disk.folder('/f'));
  });
  assert.deepEqual(new Set(found), new Set([WHOLE]));
});

test('a power cut may lose a name whose folder was not synced, and never tears its file', () => {
  const found = outcomes((disk) => disk.sync(write(disk, '/f/a')));
  assert.deepEqual(new Set(found), new Set([WHOLE, undefined]));
});

test('a power cut may tear a file that was not synced', () => {
  const found = outcomes((disk) => {
    write(disk, '/f/a');
    disk.syncFolder(disk.folder('/f'));
  });
  const torn = found.filter((data) => data !== WHOLE);
  assert.ok(torn.includes(''));
  assert.ok(torn.some((data) => data?.includes('x') && data.includes('\0')));
});

test('a sync after one that failed keeps nothing', () => {
  const found = outcomes((disk) => {
    const file = write(disk, '/f/a');
    disk.drop(file);
    disk.sync(file);
    disk.syncFolder(disk.folder('/f'));
  });
  assert.ok(found.some((data) => data !== WHOLE));
});

test('a power cut may undo a delete that was not made durable', () => {
  const found = outcomes((disk) => {
    disk.sync(write(disk, '/f/a'));
    disk.syncFolder(disk.folder('/f'));
    disk.unlink('/f/a');
  });
  assert.deepEqual(new Set(found), new Set([WHOLE, undefined]));
});

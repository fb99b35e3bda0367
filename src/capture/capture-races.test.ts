import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { MappedFile } from '../../test/testing/mapped-file.ts';
import { systemClock } from '../base/mod.ts';
import { noise } from '../chunk/testing/noise.ts';
import { ENTRY_CHANGED_WHILE_READ } from '../format/mod.ts';
import { AT_FDCWD, mknodAt, S_IFIFO } from '../os/mod.ts';
import { type BackUpResult, CaptureScene } from './testing/capture-scene.ts';
import { justBefore, Onlooker } from './testing/onlooker.ts';
import { snapshotOfTree } from './testing/snapshot.ts';

const WRITER = fileURLToPath(new URL('../../test/testing/restless-writer.ts', import.meta.url));

/** Runs a program that changes files without rest, each as its name says, while `work` goes on. */
async function whileWriting(
  scene: CaptureScene,
  names: readonly string[],
  work: () => Promise<void>,
): Promise<void> {
  const child = spawn(process.execPath, [WRITER, scene.source, ...names], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(child.stdout, 'data');
    await work();
  } finally {
    child.kill('SIGKILL');
    await once(child, 'close');
  }
}

async function assertRestores(scene: CaptureScene, { image, failed }: BackUpResult): Promise<void> {
  assert.deepEqual(failed, []);
  await scene.assertHolds(image, snapshotOfTree(scene.source));
}

function statOf(path: Buffer) {
  const { size, mtimeNs, ctimeNs, ino } = lstatSync(path, { bigint: true });
  return { size, mtimeNs, ctimeNs, ino };
}

test('what was written shortly before the backup is read again by the next one', async (context) => {
  const scene = await CaptureScene.create(context);
  writeFileSync(scene.path('file'), 'written');
  // Its modification time is put back, but not the time of that.
  utimesSync(scene.path('file'), 1_000_000_000, 1_000_000_000);
  const now = Date.now();
  const clock = { ...systemClock, now: () => now };
  assert.deepEqual((await scene.backUp({ clock })).captured, ['file']);
  assert.deepEqual((await scene.backUp({ clock })).captured, ['file']);
  assert.deepEqual((await scene.backUp()).captured, ['file']);
  assert.deepEqual((await scene.backUp()).captured, []);
});

test('a store through memory that changes no time is not missed', async (context) => {
  // In memory pages are never written back, so the kernel tells of the first store to one alone.
  const scene = await CaptureScene.create(context, '/dev/shm');
  writeFileSync(scene.path('file'), Buffer.alloc(8192, 'a'));
  {
    using file = new MappedFile(scene.path('file').toString(), 8192);
    file.fill(0x62, 0, 100);
    const stat = statOf(scene.path('file'));
    for (const byte of [0x63, 0x64]) {
      await assertRestores(scene, await scene.backUp());
      file.fill(byte, 0, 100);
      assert.deepEqual(statOf(scene.path('file')), stat);
    }
  }
  await assertRestores(scene, await scene.backUp());
  assert.deepEqual((await scene.backUp()).captured, [], 'once it is not mapped any more it is trusted');
});

test('files that are written between the look and the reading have what was written last', async (context) => {
  const scene = await CaptureScene.create(context);
  // More than all batches of the pipeline hold at once.
  for (let i = 100; i < 180; i++) writeFileSync(scene.path(`${i}`), Buffer.alloc(300_000, `${i}`));
  writeFileSync(scene.path('long'), noise(9_000_000, 1));
  writeFileSync(scene.path('z'), 'last');
  const selection = new Onlooker((path) => {
    const name = path.slice(scene.source.length + 1);
    if (Number(name) > 100) appendFileSync(scene.path(`${Number(name) - 1}`), 'more');
    if (name === 'z') appendFileSync(scene.path('long'), 'more');
  });
  const backup = await scene.backUp({ selection });
  await assertRestores(scene, backup);
  assert.deepEqual(backup.marked, []);
});

test('a file that is written before every reading is stored, marked, told of, and read again', async (context) => {
  const scene = await CaptureScene.create(context);
  const path = scene.path('written');
  writeFileSync(path, noise(3_000_000, 1));
  writeFileSync(scene.path('quiet'), 'quiet');
  let time = 1_000_000_000;
  // Asked for before a part of a long file is read, among other moments.
  const signal = {
    get aborted() {
      const fd = openSync(path, 'r+');
      writeSync(fd, `${time}`, 2_000_000);
      closeSync(fd);
      utimesSync(path, time, time);
      time++;
      return false;
    },
  } as AbortSignal;
  const { image, marked, failed } = await scene.backUp({ signal });
  assert.deepEqual([marked, failed], [['written'], []]);
  assert.equal((await scene.entry(image, 'written'))!.flags, ENTRY_CHANGED_WHILE_READ);
  assert.equal((await scene.content(image, 'written')).length, 3_000_000);
  assert.equal((await scene.entry(image, 'quiet'))!.flags, 0);
  const after = await scene.backUp();
  assert.deepEqual(after.captured, ['written']);
  assert.deepEqual(after.marked, []);
  await assertRestores(scene, after);
  assert.deepEqual((await scene.backUp()).captured, []);
});

test('files that are overwritten, grow, shrink, vanish and are replaced meanwhile do no harm', async (context) => {
  const scene = await CaptureScene.create(context);
  const names = ['growing', 'shrinking', 'vanishing', 'replaced', 'overwritten'];
  for (const name of names) writeFileSync(scene.path(name), Buffer.alloc(50 * 65_536, name));
  for (let i = 0; i < 50; i++) writeFileSync(scene.path(`quiet ${i}`), `${i}`);
  await whileWriting(scene, names, async () => {
    for (let i = 0; i < 5; i++) {
      // The clock tells what was written just now, which is not to be trusted.
      const { image, failed } = await scene.backUp({ clock: systemClock });
      assert.deepEqual(failed, []);
      for (const name of names.filter((name) => name !== 'vanishing'))
        assert.ok((await scene.content(image, name)).length > 0, name);
      for (let quiet = 0; quiet < 50; quiet++)
        assert.equal((await scene.content(image, `quiet ${quiet}`)).toString(), `${quiet}`);
    }
  });
  await assertRestores(scene, await scene.backUp());
});

test('what takes the place of a file before it is read is told of, and nothing hangs', async (context) => {
  const scene = await CaptureScene.create(context);
  const replace: Readonly<Record<string, (path: Buffer) => void>> = {
    a: (path) => mknodAt(AT_FDCWD, path.toString(), S_IFIFO | 0o600),
    b: (path) => symlinkSync('anywhere', path),
    c: (path) => mkdirSync(path),
    d: (path) => mknodAt(AT_FDCWD, path.toString(), S_IFIFO | 0o600),
    e: () => {},
  };
  for (const name of Object.keys(replace))
    writeFileSync(scene.path(name), Buffer.alloc(name === 'd' ? 700_000 : 100, name));
  writeFileSync(scene.path('z'), 'last');
  const selection = justBefore(`${scene.source}/z`, () => {
    for (const [name, make] of Object.entries(replace)) {
      unlinkSync(scene.path(name));
      make(scene.path(name));
    }
  });
  const { image, failed } = await scene.backUp({ selection });
  assert.deepEqual(failed.map((failure) => failure.split(`${scene.source}/`)[1]).sort(), [
    'a',
    'b',
    'c',
    'd',
  ]);
  assert.equal(await scene.entry(image, 'e'), undefined);
  assert.equal((await scene.content(image, 'z')).toString(), 'last');
  await assertRestores(scene, await scene.backUp());
});

test('a folder that vanishes during the walk is simply not there', async (context) => {
  const scene = await CaptureScene.create(context);
  mkdirSync(scene.path('folder/below'), { recursive: true });
  writeFileSync(scene.path('folder/below/file'), 'x');
  mkdirSync(scene.path('last'));
  writeFileSync(scene.path('last/file'), 'y');
  const selection = justBefore(`${scene.source}/last`, () =>
    rmSync(scene.path('folder'), { recursive: true }),
  );
  const { image, failed } = await scene.backUp({ selection });
  assert.deepEqual(failed, []);
  assert.equal((await scene.content(image, 'last/file')).toString(), 'y');
  await assertRestores(scene, await scene.backUp());
});

test('a file whose first name vanishes before it is read is stored by its other names', async (context) => {
  const scene = await CaptureScene.create(context);
  mkdirSync(scene.path('more'));
  const sizes: Readonly<Record<string, number>> = { short: 100, long: 700_000 };
  for (const [name, size] of Object.entries(sizes)) {
    writeFileSync(scene.path(name), Buffer.alloc(size, name));
    for (const number of [2, 3]) linkSync(scene.path(name), scene.path(`more/${name} ${number}`));
  }
  await scene.backUp();
  const selection = justBefore(`${scene.source}/more/long 2`, () => {
    for (const name of Object.keys(sizes)) unlinkSync(scene.path(name));
  });
  const { image, failed } = await scene.backUp({ force: true, selection });
  assert.deepEqual(failed, []);
  for (const [name, size] of Object.entries(sizes))
    for (const number of [2, 3]) {
      const content = await scene.content(image, `more/${name} ${number}`);
      assert.ok(content.equals(Buffer.alloc(size, name)), `${name} ${number}`);
    }
  await assertRestores(scene, await scene.backUp());
});

test('a hard link that is written between the looks at its names is whole again in the next image', async (context) => {
  const scene = await CaptureScene.create(context);
  mkdirSync(scene.path('more'));
  writeFileSync(scene.path('first'), 'before');
  linkSync(scene.path('first'), scene.path('more/second'));
  await scene.backUp();
  const selection = justBefore(`${scene.source}/more/second`, () => {
    writeFileSync(scene.path('first'), 'after!');
    utimesSync(scene.path('first'), 1_000_000_000, 1_000_000_000);
  });
  const { image } = await scene.backUp({ selection });
  const first = await scene.entry(image, 'first');
  assert.deepEqual(await scene.entry(image, 'more/second'), first, 'both names show one inode');
  await assertRestores(scene, await scene.backUp());
});

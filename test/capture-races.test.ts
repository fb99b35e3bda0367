import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ENTRY_CHANGED_WHILE_READ } from '../src/format/mod.ts';
import { AT_FDCWD, mknodAt, S_IFIFO, utimensAt } from '../src/os/mod.ts';
import { LivingTree, type Taken } from './testing/living-tree.ts';
import { MappedFile } from './testing/mapped-file.ts';

const WRITER = fileURLToPath(new URL('./testing/restless-writer.ts', import.meta.url));

/** Runs a program that changes files of the tree without rest, each as its name says, while `work` goes on. */
async function whileWriting(
  tree: LivingTree,
  names: readonly string[],
  work: () => Promise<void>,
): Promise<void> {
  const child = spawn(process.execPath, [WRITER, tree.root, ...names], {
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

function statOf(path: string) {
  const { size, mtimeNs, ctimeNs, ino } = lstatSync(path, { bigint: true });
  return { size, mtimeNs, ctimeNs, ino };
}

function problemsOf({ told }: Taken): string[] {
  return told.problems.map(({ item, error }) => `${item}: ${error.message}`);
}

/** Does something just before the walk looks at `name`, once. */
function before(tree: LivingTree, name: string, act: () => void): (path: string) => void {
  let isDone = false;
  return (path) => {
    if (isDone || path !== tree.path(name)) return;
    isDone = true;
    act();
  };
}

test('what was written shortly before the backup is read again by the next one', async (context) => {
  const tree = await LivingTree.make(context);
  writeFileSync(tree.path('file'), 'written');
  // Its modification time is put back, but not the time of that.
  utimensAt(AT_FDCWD, tree.path('file'), 1_000_000_000, 0);
  assert.deepEqual((await tree.take({ settled: false })).captured, ['file']);
  assert.deepEqual((await tree.take({ settled: false })).captured, ['file']);
  assert.deepEqual((await tree.take()).captured, ['file']);
  assert.deepEqual((await tree.take()).captured, []);
});

test('a store through memory that changes no time is not missed', async (context) => {
  const tree = await LivingTree.make(context);
  writeFileSync(tree.path('file'), Buffer.alloc(8192, 'a'));
  {
    using file = new MappedFile(tree.path('file'), 8192);
    file.fill(0x62, 0, 100);
    await tree.assertHas((await tree.take()).image);
    const stat = statOf(tree.path('file'));
    file.fill(0x63, 0, 100);
    assert.deepEqual(statOf(tree.path('file')), stat, 'the page was dirty, so the kernel tells nothing');
    await tree.assertHas((await tree.take()).image);
    file.fill(0x64, 0, 100);
    assert.deepEqual(statOf(tree.path('file')), stat);
  }
  await tree.assertHas((await tree.take()).image);
  assert.deepEqual((await tree.take()).captured, [], 'once it is not mapped any more it is trusted');
});

test('files that are written between the look and the reading have what was written last', async (context) => {
  const tree = await LivingTree.make(context);
  // More than all batches of the pipeline hold at once.
  for (let i = 100; i < 180; i++) writeFileSync(tree.path(`${i}`), Buffer.alloc(300_000, `${i}`));
  writeFileSync(tree.path('long'), Buffer.alloc(9_000_000, 'long'));
  const appended = (path: string) => {
    const number = Number(path.slice(tree.root.length + 1));
    if (number > 100) appendFileSync(tree.path(`${number - 1}`), 'more');
    if (path === tree.path('long')) appendFileSync(path, 'more');
  };
  const taken = await tree.take({ beforeLook: appended });
  await tree.assertHas(taken.image);
  assert.deepEqual(taken.told, { problems: [], notices: [] });
  assert.equal((await tree.entry(taken.image, '100'))!.flags, 0);
});

test('a file that is written all the time is stored as it was read, marked, and read again', async (context) => {
  const tree = await LivingTree.make(context);
  const length = 50 * 65_536;
  writeFileSync(tree.path('overwritten'), Buffer.alloc(length));
  writeFileSync(tree.path('beside'), 'quiet');
  await tree.take();
  await whileWriting(tree, ['overwritten'], async () => {
    const taken = await tree.take();
    assert.deepEqual(problemsOf(taken), []);
    assert.equal(
      taken.told.notices.filter((notice) => notice.includes('changed while it was read')).length,
      1,
    );
    const entry = await tree.entry(taken.image, 'overwritten');
    assert.equal(entry!.flags, ENTRY_CHANGED_WHILE_READ);
    assert.equal((await tree.content(taken.image, 'overwritten')).length, length);
    assert.equal((await tree.entry(taken.image, 'beside'))!.flags, 0);
  });
  const stat = statOf(tree.path('overwritten'));
  const after = await tree.take();
  assert.deepEqual(after.captured, ['overwritten']);
  await tree.assertHas(after.image);
  assert.deepEqual(statOf(tree.path('overwritten')), stat);
});

test('files that grow, shrink, vanish and are replaced meanwhile do no harm', async (context) => {
  const tree = await LivingTree.make(context);
  const names = ['growing', 'shrinking', 'vanishing', 'replaced', 'overwritten'];
  for (const name of names) writeFileSync(tree.path(name), Buffer.alloc(3_000_000, name));
  for (let i = 0; i < 50; i++) writeFileSync(tree.path(`quiet ${i}`), `${i}`);
  await whileWriting(tree, names, async () => {
    for (let i = 0; i < 5; i++) {
      const taken = await tree.take();
      assert.deepEqual(problemsOf(taken), []);
      for (const name of names.filter((name) => name !== 'vanishing'))
        assert.ok((await tree.content(taken.image, name)).length > 0, name);
    }
  });
  rmSync(tree.path('aside'), { force: true });
  await tree.assertHas((await tree.take()).image);
});

test('what takes the place of a file before it is read is told of, and nothing hangs', async (context) => {
  const tree = await LivingTree.make(context);
  const replace: Readonly<Record<string, (path: string) => void>> = {
    a: (path) => mknodAt(AT_FDCWD, path, S_IFIFO | 0o600),
    b: (path) => symlinkSync('anywhere', path),
    c: (path) => mkdirSync(path),
    d: (path) => mknodAt(AT_FDCWD, path, S_IFIFO | 0o600),
    e: () => {},
  };
  for (const name of Object.keys(replace))
    writeFileSync(tree.path(name), Buffer.alloc(name === 'd' ? 700_000 : 100, name));
  writeFileSync(tree.path('z'), 'last');
  const taken = await tree.take({
    beforeLook: before(tree, 'z', () => {
      for (const [name, make] of Object.entries(replace)) {
        unlinkSync(tree.path(name));
        make(tree.path(name));
      }
    }),
  });
  assert.deepEqual(
    taken.told.problems.map(({ item }) => item).sort(),
    ['a', 'b', 'c', 'd'].map((name) => tree.path(name)),
  );
  assert.equal(await tree.entry(taken.image, 'e'), undefined);
  assert.equal((await tree.content(taken.image, 'z')).toString(), 'last');
  await tree.assertHas((await tree.take()).image);
});

test('a folder that vanishes during the walk is simply not there', async (context) => {
  const tree = await LivingTree.make(context);
  mkdirSync(tree.path('folder/below'), { recursive: true });
  writeFileSync(tree.path('folder/below/file'), 'x');
  mkdirSync(tree.path('last'));
  writeFileSync(tree.path('last/file'), 'y');
  const taken = await tree.take({
    beforeLook: before(tree, 'last', () => rmSync(tree.path('folder'), { recursive: true })),
  });
  assert.deepEqual(problemsOf(taken), []);
  await tree.assertHas((await tree.take()).image);
});

test('a file whose first name vanishes before it is read is stored by its other names', async (context) => {
  const tree = await LivingTree.make(context);
  mkdirSync(tree.path('more'));
  for (const [name, size] of [
    ['short', 100],
    ['long', 700_000],
  ] as const) {
    writeFileSync(tree.path(name), Buffer.alloc(size, name));
    linkSync(tree.path(name), tree.path(`more/${name} 2`));
    linkSync(tree.path(name), tree.path(`more/${name} 3`));
  }
  await tree.take();
  const gone = await tree.take({
    force: true,
    beforeLook: before(tree, 'more/long 2', () => {
      unlinkSync(tree.path('short'));
      unlinkSync(tree.path('long'));
    }),
  });
  assert.deepEqual(problemsOf(gone), []);
  for (const name of ['short', 'long'])
    for (const number of [2, 3])
      assert.equal(
        (await tree.content(gone.image, `more/${name} ${number}`)).compare(
          Buffer.alloc(name === 'short' ? 100 : 700_000, name),
        ),
        0,
      );
  await tree.assertHas((await tree.take()).image);
});

test('a hard link that is written between the looks at its names is whole again in the next image', async (context) => {
  const tree = await LivingTree.make(context);
  mkdirSync(tree.path('more'));
  writeFileSync(tree.path('first'), 'before');
  linkSync(tree.path('first'), tree.path('more/second'));
  await tree.take();
  const taken = await tree.take({
    beforeLook: before(tree, 'more/second', () => writeFileSync(tree.path('first'), 'after!')),
  });
  const [first, second] = await Promise.all(
    ['first', 'more/second'].map((name) => tree.entry(taken.image, name)),
  );
  assert.deepEqual(second, first, 'both names show one inode');
  await tree.assertHas((await tree.take()).image);
});

import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../base/mod.ts';
import { Selection, type SelectionOptions } from './select/mod.ts';
import { type WalkEvents, type WalkedEntry, walk } from './walk.ts';
import { WalkAhead } from './walk-ahead.ts';
import { WalkedReader, WalkedWriter } from './walked-batch.ts';

function folderWithMany(context: TestContext, count = 3000): string {
  const root = mkdtempSync(join(tmpdir(), 'everfull-walk-'));
  context.after(() => rmSync(root, { recursive: true }));
  for (let i = 0; i < 10; i++) {
    mkdirSync(join(root, `folder ${i}`, 'below'), { recursive: true });
    for (let j = 0; j < count / 10; j++) writeFileSync(join(root, `folder ${i}`, `file ${j}`), `${j}`);
    symlinkSync('somewhere', join(root, `folder ${i}`, 'below', 'link'));
    writeFileSync(Buffer.from(`${root}/folder ${i}/\xff\xfe`, 'latin1'), '');
  }
  return root;
}

/** What is told of an entry, apart from the object that serves for all. Folders above are anybody's, and change. */
const copyOf = ({ key, name, folder, stat, isAncestor }: WalkedEntry) => ({
  key,
  name,
  folder,
  isAncestor,
  words: isAncestor ? [] : [...stat.words.subarray(0, 36)],
});

function foldersOpenBelow(root: string): string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        // The descriptor of the listing itself.
        return '';
      }
    })
    .filter((target) => target.startsWith(root));
}

function listener() {
  const told: string[] = [];
  const events: WalkEvents = {
    failed: (path, { code, message }) => told.push(`failed ${path} ${code} ${message}`),
    leftOut: (path) => told.push(`left out ${path}`),
  };
  return { told, events };
}

async function ahead(paths: string[], selection: SelectionOptions = {}, leaveOut: string[] = []) {
  const { told, events } = listener();
  const walking = new WalkAhead({ paths, selection, leaveOut }, systemClock);
  const entries = [];
  for await (const batch of walking.batches(events)) for (const entry of batch) entries.push(copyOf(entry));
  await walking.stop();
  return { entries, told };
}

function inStep(paths: string[], selection: SelectionOptions = {}, leaveOut: string[] = []) {
  const { told, events } = listener();
  const entries = [];
  for (const entry of walk({ paths, selection: new Selection(selection), leaveOut, ...events }))
    entries.push(copyOf(entry));
  return { entries, told };
}

test('a walk ahead comes to what a walk in step comes to, and tells the same', async (context) => {
  const root = folderWithMany(context);
  assert.deepEqual(await ahead([root]), inStep([root]));
  const selection: SelectionOptions = {
    excludes: ['file 1*'],
    excludeIfPresent: [{ name: 'file 7', header: Buffer.from('7') }],
    excludeLargerThan: 2,
  };
  const rules = [[root], selection, [join(root, 'folder 3'), join(root, 'folder 4/below')]] as const;
  const found = await ahead(...(rules as unknown as Parameters<typeof ahead>));
  assert.deepEqual(found, inStep(...(rules as unknown as Parameters<typeof ahead>)));
  assert.equal(found.told.length, 2);
});

test('paths that are not there are passed over, with the folders above them', async (context) => {
  const root = folderWithMany(context, 10);
  const given = [join(root, 'folder 1'), join(root, 'folder 2/none/at/all'), '/none/of/this'];
  assert.deepEqual(await ahead(given), inStep([join(root, 'folder 1')]));
});

test('nobody who reads holds the walk up: it can be stopped, before and between', async (context) => {
  const root = folderWithMany(context, 20_000);
  const unread = new WalkAhead({ paths: [root], selection: {}, leaveOut: [] }, systemClock);
  await unread.stop();
  const left = new WalkAhead({ paths: [root], selection: {}, leaveOut: [] }, systemClock);
  for await (const batch of left.batches(listener().events)) {
    assert.equal([...batch].length > 0, true);
    break;
  }
  await left.stop();
  assert.deepEqual(foldersOpenBelow(root), []);
});

test('a walk that breaks tells why', async () => {
  const request = { paths: ['/'], selection: { excludes: ['['] }, leaveOut: [] };
  const walking = new WalkAhead(request, systemClock);
  await assert.rejects(async () => {
    for await (const batch of walking.batches(listener().events)) assert.ok(batch);
  }, /\[/);
  await walking.stop();
});

test('texts of any length and bytes travel whole', () => {
  const batches: Uint8Array[] = [];
  const writer = new WalkedWriter((batch) => batches.push(batch));
  const long = `/${'\xe4\xff'.repeat(200_000)}`;
  writer.leftOut('/a');
  writer.failed(long, { code: 'EACCES', message: 'not for you: „ä“' });
  writer.leftOut(long);
  writer.flush();
  writer.flush();
  const { told, events } = listener();
  const reader = new WalkedReader(events);
  for (const batch of batches) assert.deepEqual([...reader.read(batch)], []);
  assert.deepEqual(told, ['left out /a', `failed ${long} EACCES not for you: „ä“`, `left out ${long}`]);
});

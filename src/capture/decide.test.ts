import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { type TestContext, test } from 'node:test';
import { BoundedQueue, hexOf } from '../base/mod.ts';
import { ChunkPipeline, SMALL_FILE_BYTES_MAX } from '../chunk/mod.ts';
import { noise } from '../chunk/testing/noise.ts';
import { FrameKind, pathKeyOf } from '../format/mod.ts';
import { AT_FDCWD, mknodAt, S_IFIFO, StatBuffer } from '../os/mod.ts';
import type { WriteSession } from '../repository/mod.ts';
import { ChunkGroup } from './chunk-group.ts';
import { Decider, WAITING_MAX } from './decide.ts';
import type { EntryItem, Item } from './item.ts';
import { KnownFiles } from './known-files.ts';
import type { LongFile } from './long-file.ts';
import { ReadBatch } from './read-batch.ts';
import { sizeOf, timeOf, Word, wordsOf } from './stat-words.ts';
import { CaptureScene } from './testing/capture-scene.ts';

/** Does something to the files just before a worker reads them. */
class MeddledPipeline extends ChunkPipeline {
  /** One act for each reading. */
  readonly acts: (() => void)[] = [];

  override run(...[task]: Parameters<ChunkPipeline['run']>) {
    if (task.type === 'read') this.acts.shift()?.();
    return super.run(task) as never;
  }
}

/** What a decider made of some small files. */
interface Decided {
  readonly kept: readonly EntryItem[];
  readonly failed: readonly string[];
  /** The paths of what turned out to be long. */
  readonly long: readonly string[];
  bytesOf(item: EntryItem): Promise<Buffer>;
}

const NO_LONG_FILE: LongFile = {
  fingerprint: Buffer.alloc(32),
  content: { pieces: [] },
  attributes: { inodeFlags: new Uint32Array(1), xattrs: [] },
  words: new Uint32Array(16),
  changedWhileRead: false,
  segments: undefined,
  replaces: undefined,
};

class Setting {
  readonly scene: CaptureScene;
  readonly session: WriteSession;
  readonly pipeline: MeddledPipeline;

  private constructor(scene: CaptureScene, session: WriteSession) {
    this.scene = scene;
    this.session = session;
    this.pipeline = new MeddledPipeline(scene.pipelineSetup(session), { threads: 1 });
  }

  static async create(context: TestContext): Promise<Setting> {
    const scene = await CaptureScene.create(context);
    const setting = new Setting(scene, await scene.openSession());
    context.after(async () => {
      await setting.pipeline.close();
      await setting.session.abort({ keep: false });
    });
    return setting;
  }

  path(name: string): string {
    return `${this.scene.source}/${name}`;
  }

  /** The item of a file as the walk sees it, in the batch that will read it. */
  item(name: string, batch: ReadBatch): EntryItem {
    const stat = new StatBuffer();
    assert.equal(stat.at(AT_FDCWD, this.path(name)), true);
    const words = wordsOf(stat);
    return {
      kind: 'entry',
      key: pathKeyOf(this.path(name)),
      path: this.path(name),
      words,
      rdev: [0, 0],
      isAncestor: false,
      before: undefined,
      linkGroup: undefined,
      source: { batch, index: batch.add(this.path(name), words) },
      first: undefined,
      captured: undefined,
    };
  }

  /** Decides on files that are looked at now; `acts` happen before the first reading and the later ones. */
  async decide(names: readonly string[], acts: readonly (() => void)[]): Promise<Decided> {
    const { pipeline, session, scene } = this;
    const group = new ChunkGroup(pipeline, session, { bytesAdded: 0, bytesAddedStored: 0, chunksAdded: 0 });
    const failed: string[] = [];
    const long: string[] = [];
    const known = new KnownFiles(100);
    const decider = new Decider({
      pipeline,
      group,
      session,
      known: async () => known,
      captureLong: async ({ path }) => {
        long.push(path.slice(scene.source.length + 1));
        return NO_LONG_FILE;
      },
      failed: (path, { code }) => failed.push(`${code} ${path.slice(scene.source.length + 1)}`),
      read: () => {},
    });
    const from = new BoundedQueue<Item>(100);
    const to = new BoundedQueue<Item>(WAITING_MAX);
    const batch = new ReadBatch();
    for (const name of names) from.push(this.item(name, batch));
    from.close();
    pipeline.acts.push(...acts);
    await batch.dispatch(pipeline);
    await decider.run(from, to);
    assert.equal(pipeline.acts.length, 0, 'it was read as often as expected');
    await session.flush();
    to.close();
    const kept: EntryItem[] = [];
    for (let item = await to.take(); item !== undefined; item = await to.take()) kept.push(item as EntryItem);
    return {
      kept,
      failed,
      long,
      bytesOf: async ({ captured }) => {
        const content = captured!.content!;
        if (!('chunk' in content)) return Buffer.alloc(0);
        const { plain } = await scene.repository.frame(FrameKind.chunk, content.chunk.id!);
        return Buffer.from(plain.subarray(content.offset, content.offset + content.length));
      },
    };
  }
}

let time = 1_000_000_000;

/** Writes at a time of its own, however coarse the clock of the file system is. */
function write(path: string, content: string): void {
  writeFileSync(path, content);
  utimesSync(path, time, time);
  time++;
}

test('a file that is written after the look is read again, and is whole then', async (context) => {
  const setting = await Setting.create(context);
  write(setting.path('file'), 'before');
  const decided = await setting.decide(['file'], [() => write(setting.path('file'), 'after!'), () => {}]);
  const [item] = decided.kept;
  assert.equal(item.captured!.changedWhileRead, false);
  assert.equal((await decided.bytesOf(item)).toString(), 'after!');
  assert.equal(timeOf(item.words, Word.mtime)[0], time - 1, 'with the attributes of the second look');
  assert.deepEqual(decided.failed, []);
});

for (const [how, last] of [
  ['to the same length', 'second'],
  ['to a greater length', 'second and more'],
  ['to a smaller length', 'sec'],
  ['to nothing', ''],
]) {
  test(`a file that is written before each reading, ${how}, is kept as it was read and marked`, async (context) => {
    const setting = await Setting.create(context);
    const path = setting.path('file');
    write(path, 'before');
    const acts = [() => write(path, 'first!'), () => write(path, last)];
    const decided = await setting.decide(['file'], acts);
    const [item] = decided.kept;
    assert.equal(item.captured!.changedWhileRead, true);
    // No more than the second look promised room for.
    const read = last.slice(0, 6);
    const bytes = await decided.bytesOf(item);
    assert.equal(bytes.toString(), read);
    const fingerprint = setting.scene.repository.secrets.fileFingerprint(Buffer.from(read));
    assert.equal(hexOf(item.captured!.fingerprint!), hexOf(fingerprint), 'the fingerprint of these bytes');
    assert.deepEqual(decided.failed, []);
  });
}

test('a file that another takes the place of before each reading is marked, though size and time are equal', async (context) => {
  const setting = await Setting.create(context);
  const path = setting.path('file');
  const replace = (content: string) => {
    writeFileSync(`${path} new`, content);
    utimesSync(`${path} new`, 1_000_000_000, 1_000_000_000);
    renameSync(`${path} new`, path);
  };
  replace('one');
  const decided = await setting.decide(['file'], [() => replace('two'), () => replace('six')]);
  assert.equal((await decided.bytesOf(decided.kept[0])).toString(), 'six');
  assert.equal(decided.kept[0].captured!.changedWhileRead, true);
});

test('a file that grows long before it is read is captured as a long one', async (context) => {
  const setting = await Setting.create(context);
  write(setting.path('file'), 'short');
  const grow = () => appendFileSync(setting.path('file'), noise(SMALL_FILE_BYTES_MAX, 1));
  const { kept, long } = await setting.decide(['file'], [grow]);
  assert.deepEqual(long, ['file']);
  assert.ok('long' in kept[0].source!);
  assert.equal(sizeOf(kept[0].words), SMALL_FILE_BYTES_MAX + 5);
});

test('what is gone when it is read is not kept, and is no failure', async (context) => {
  const setting = await Setting.create(context);
  for (const name of ['gone', 'later', 'stays']) write(setting.path(name), name);
  const acts = [
    () => {
      unlinkSync(setting.path('gone'));
      write(setting.path('later'), 'written');
    },
    () => unlinkSync(setting.path('later')),
  ];
  const { kept, failed } = await setting.decide(['gone', 'later', 'stays'], acts);
  assert.deepEqual(failed, []);
  assert.deepEqual(
    kept.map(({ path }) => path),
    [setting.path('stays')],
  );
});

test('what is no file any more when it is read is told of and not kept', async (context) => {
  const setting = await Setting.create(context);
  const makes: Readonly<Record<string, (path: string) => void>> = {
    fifo: (path) => mknodAt(AT_FDCWD, path, S_IFIFO | 0o600),
    folder: (path) => mkdirSync(path),
    symlink: (path) => symlinkSync('stays', path),
  };
  const names = [...Object.keys(makes), 'stays'];
  for (const name of names) write(setting.path(name), name);
  const replaceAll = () => {
    for (const [name, make] of Object.entries(makes)) {
      unlinkSync(setting.path(name));
      make(setting.path(name));
    }
  };
  const decided = await setting.decide(names, [replaceAll]);
  assert.deepEqual(
    decided.failed.map((failure) => failure.split(' ')[1]),
    Object.keys(makes),
  );
  assert.deepEqual(
    decided.kept.map(({ path }) => path),
    [setting.path('stays')],
  );
});

test('duplicates are stored once, where the first of them in key order is', async (context) => {
  const setting = await Setting.create(context);
  const names = ['a', 'b', 'c', 'd', 'e'];
  for (const name of names) write(setting.path(name), name === 'b' ? 'other' : 'same');
  const { kept, bytesOf } = await setting.decide(names, [() => {}]);
  const places = kept.map(({ captured }) => captured!.content as { offset: number });
  assert.deepEqual(
    places.map(({ offset }) => offset),
    [0, 4, 0, 0, 0],
  );
  for (const item of kept) assert.ok((await bytesOf(item)).equals(readFileSync(item.path)));
});

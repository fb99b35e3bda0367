import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { hexOf } from '../base/mod.ts';
import { ChunkPipeline, GROUP_BYTES_TARGET, SMALL_FILE_BYTES_MAX } from '../chunk/mod.ts';
import { noise } from '../chunk/testing/noise.ts';
import { FrameKind } from '../format/mod.ts';
import type { WriteSession } from '../repository/mod.ts';
import { ChunkGroup, type StoredCounts } from './chunk-group.ts';
import type { ChunkRef } from './known-files.ts';
import { CaptureScene } from './testing/capture-scene.ts';

interface Setting {
  readonly scene: CaptureScene;
  readonly session: WriteSession;
  readonly pipeline: ChunkPipeline;
}

async function prepare(context: TestContext): Promise<Setting> {
  const scene = await CaptureScene.create(context);
  const session = await scene.openSession();
  const pipeline = new ChunkPipeline(scene.pipelineSetup(session), { threads: 1 });
  context.after(async () => {
    await pipeline.close();
    await session.abort({ keep: false });
  });
  return { scene, session, pipeline };
}

function newCounts(): StoredCounts {
  return { bytesAdded: 0, bytesAddedStored: 0, chunksAdded: 0 };
}

async function addTo(group: ChunkGroup, bytes: Uint8Array): Promise<{ chunk: ChunkRef; offset: number }> {
  await group.ready();
  return group.add(bytes);
}

/** How many groups may have memory at the same time. */
const GROUPS_AT_ONCE = 7;

test('any runs are found where they were said to go, and where chunks end follows from their lengths', async (context) => {
  const { scene, session, pipeline } = await prepare(context);
  const length = fc.oneof(fc.nat(3000), fc.integer({ min: 1, max: SMALL_FILE_BYTES_MAX }));
  const runs = fc.array(fc.tuple(length, fc.nat(99)), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(runs, async (made) => {
      const counts = newCounts();
      const group = new ChunkGroup(pipeline, session, counts);
      const placed: { bytes: Buffer; chunk: ChunkRef; offset: number }[] = [];
      let open = 0;
      for (const [length, seed] of made) {
        const bytes = noise(length, seed);
        const { chunk, offset } = await addTo(group, bytes);
        assert.equal(offset, open, 'runs follow each other');
        placed.push({ bytes: Buffer.from(bytes), chunk, offset });
        bytes.fill(0);
        open += length;
        if (open >= GROUP_BYTES_TARGET) open = 0;
        assert.equal(group.isEmpty, open === 0);
      }
      await group.finish();
      assert.equal(group.isEmpty, true);
      await session.flush();
      for (const { bytes, chunk, offset } of placed) {
        if (bytes.length === 0) continue;
        const { plain } = await scene.repository.frame(FrameKind.chunk, chunk.id!);
        assert.ok(Buffer.from(plain.subarray(offset, offset + bytes.length)).equals(bytes));
      }
    }),
    { numRuns: 25 },
  );
});

test('runs that follow each other share a chunk until it has enough', async (context) => {
  const { session, pipeline } = await prepare(context);
  const counts = newCounts();
  const group = new ChunkGroup(pipeline, session, counts);
  const chunks = new Set<ChunkRef>();
  for (let i = 0; i < 50; i++) chunks.add((await addTo(group, noise(100_000, i))).chunk);
  await group.finish();
  // Eleven runs are the first to make a mebibyte.
  assert.equal(chunks.size, Math.ceil(50 / 11));
  assert.equal(counts.chunksAdded, chunks.size);
  assert.equal(counts.bytesAdded, 5_000_000);
  assert.ok(counts.bytesAddedStored > 5_000_000 && counts.bytesAddedStored < 5_010_000);
});

test('a chunk that the repository has is not stored again, and has the same id', async (context) => {
  const { session, pipeline } = await prepare(context);
  const ids: string[] = [];
  const counts = newCounts();
  for (let turn = 0; turn < 3; turn++) {
    const group = new ChunkGroup(pipeline, session, counts);
    const { chunk } = await addTo(group, noise(5000, 1));
    await group.finish();
    ids.push(hexOf(chunk.id!));
    assert.equal(counts.chunksAdded, 1);
  }
  assert.equal(new Set(ids).size, 1);
});

test('who waits for an id gets it when the chunk is sealed, and does not end it', async (context) => {
  const { session, pipeline } = await prepare(context);
  const group = new ChunkGroup(pipeline, session, newCounts());
  const { chunk } = await addTo(group, noise(10, 1));
  const settled = [group.settled(chunk), group.settled(chunk)];
  const more = await addTo(group, noise(10, 2));
  assert.equal(more.chunk, chunk, 'the chunk is still open');
  assert.equal(chunk.id, undefined);
  group.close();
  for (const id of await Promise.all(settled)) assert.equal(id, chunk.id);
  assert.equal(await group.settled(chunk), chunk.id);
  await group.finish();
});

test('a group that has nothing ends without a chunk', async (context) => {
  const { session, pipeline } = await prepare(context);
  const counts = newCounts();
  const group = new ChunkGroup(pipeline, session, counts);
  group.close();
  group.abandon();
  await addTo(group, new Uint8Array(0));
  await group.finish();
  assert.equal(counts.chunksAdded, 0);
});

test('what is abandoned gives its memory back and is not stored', async (context) => {
  const { session, pipeline } = await prepare(context);
  const counts = newCounts();
  for (let i = 0; i < GROUPS_AT_ONCE * 3; i++) {
    const group = new ChunkGroup(pipeline, session, counts);
    await addTo(group, noise(100, i));
    group.abandon();
    assert.equal(group.isEmpty, true);
    await group.finish();
  }
  assert.equal(counts.chunksAdded, 0);
});

/** A session like `session`, but for how it makes room. */
function withRoom(session: WriteSession, room: () => Promise<void>): WriteSession {
  return new Proxy(session, {
    get: (target, name) => {
      if (name === 'room') return room;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

test('who adds waits for a store that is slower', async (context) => {
  const { session, pipeline } = await prepare(context);
  const { promise: room, resolve: makeRoom } = Promise.withResolvers<void>();
  const counts = newCounts();
  const group = new ChunkGroup(
    pipeline,
    withRoom(session, () => room),
    counts,
  );
  const half = SMALL_FILE_BYTES_MAX;
  for (let i = 0; i < GROUPS_AT_ONCE * 2; i++) await addTo(group, noise(half, i));
  let isAdded = false;
  const added = addTo(group, noise(half, 99)).then(() => {
    isAdded = true;
  });
  // Every chunk is sealed and handed over by then, and still holds its memory.
  while (counts.chunksAdded < GROUPS_AT_ONCE) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(isAdded, false);
  makeRoom();
  await added;
  await group.finish();
  assert.equal(counts.chunksAdded, GROUPS_AT_ONCE + 1);
});

test('a store that fails is told to who waits for an id and to who ends the group', async (context) => {
  const { session, pipeline } = await prepare(context);
  const failing = withRoom(session, () => Promise.reject(new Error('the store is gone')));
  const group = new ChunkGroup(pipeline, failing, newCounts());
  await addTo(group, noise(10, 1));
  group.close();
  const { chunk } = await addTo(group, noise(10, 2));
  await assert.rejects(group.settled(chunk), /the store is gone/);
  await assert.rejects(group.finish(), /the store is gone/);
  for (let i = 0; i < GROUPS_AT_ONCE; i++) await pipeline.pools.groups.acquire();
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noise } from '../chunk/testing/noise.ts';
import { digest } from '../crypto/mod.ts';
import { decodePackTable, FrameKind, PACK_BYTES_TARGET, type PackRow, packTailBytes } from '../format/mod.ts';
import { packName } from './names.ts';
import { PackWriter } from './pack-writer.ts';
import { WatchedStore } from './testing/watched-store.ts';

const SECRETS_ID = Buffer.alloc(16, 3);
const MiB = 1024 * 1024;

function writerOf(store: WatchedStore, ready: () => Promise<void> = () => Promise.resolve()) {
  const stored: { name: Uint8Array; rows: readonly PackRow[] }[] = [];
  const writer = new PackWriter(store, SECRETS_ID, ready, ({ name }, rows) => stored.push({ name, rows }));
  const add = (frame: Buffer) =>
    writer.add(frame, { id: noise(32, frame.length), kind: FrameKind.chunk, digest: digest(frame) });
  return { writer, add, stored };
}

test('frames fill packs of the target length, and each is where the table says', async () => {
  const store = new WatchedStore();
  const { writer, add, stored } = writerOf(store);
  const frames = Array.from({ length: 20 }, (_, i) => noise(4 * MiB - i, i));
  for (const frame of frames) {
    add(frame);
    await writer.room();
  }
  await writer.flush();
  assert.equal(stored.length, 3);
  let next = 0;
  for (const { name } of stored) {
    const pack = Buffer.from(store.objects.get(packName(name))!);
    assert.ok(pack.length < PACK_BYTES_TARGET + 5 * MiB);
    const tail = packTailBytes(pack.subarray(-40), pack.length);
    for (const { offset, length, digest: sum } of decodePackTable(
      pack.subarray(-tail),
      pack.length,
      digest,
    )) {
      const frame = pack.subarray(offset, offset + length);
      assert.ok(frame.equals(frames[next++]));
      assert.ok(Buffer.from(sum).equals(digest(frame)));
    }
  }
  assert.equal(next, frames.length);
  assert.ok(writer.bytesStored > 20 * 4 * MiB - 200);
});

test('nothing added stores nothing', async () => {
  const store = new WatchedStore();
  const { writer } = writerOf(store);
  await writer.room();
  await writer.flush();
  assert.equal(store.puts, 0);
});

test('nothing is put before the data key is, and its failure is that of the packs', async () => {
  const store = new WatchedStore();
  const { promise, resolve } = Promise.withResolvers<void>();
  const { writer, add } = writerOf(store, () => promise);
  add(noise(10, 1));
  const flushed = writer.flush();
  await new Promise((turn) => setImmediate(turn));
  assert.equal(store.puts, 0);
  resolve();
  await flushed;
  assert.equal(store.puts, 2);
  const failing = writerOf(store, () => Promise.reject(new Error('no data key')));
  failing.add(noise(10, 1));
  await assert.rejects(failing.writer.flush(), /no data key/);
});

test('whoever adds waits when a pack is on its way and the next one is half full', async () => {
  const store = new WatchedStore();
  const { promise, resolve } = Promise.withResolvers<void>();
  store.gate = () => promise;
  const { writer, add } = writerOf(store);
  for (let i = 0; i < 11; i++) add(noise(4 * MiB, i));
  await writer.room();
  add(noise(4 * MiB, 11));
  let hasRoom = false;
  const room = writer.room().then(() => {
    hasRoom = true;
  });
  for (let i = 0; i < 20; i++) await new Promise((turn) => setImmediate(turn));
  assert.equal(hasRoom, false);
  resolve();
  await room;
  await writer.flush();
});

for (const failAt of [1, 2]) {
  test(`a failure of put ${failAt} of a pack surfaces in room and in flush, again and again`, async () => {
    const store = new WatchedStore();
    store.failAt = failAt;
    const { writer, add, stored } = writerOf(store);
    for (let i = 0; i < 12; i++) add(noise(4 * MiB, i));
    await assert.rejects(writer.room(), { code: 'io' });
    await assert.rejects(writer.flush(), { code: 'io' });
    await assert.rejects(writer.room(), { code: 'io' });
    assert.ok(
      stored.every(({ rows }) => rows.length === 4),
      'what failed is not known as stored',
    );
    assert.equal(store.underWay, 0);
  });
}

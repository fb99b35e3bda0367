import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { EverfullError, isEverfullError } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import { condemnedRecord, DecisionKind, damagedRecord, FrameKind } from '../format/mod.ts';
import {
  CONDEMNED_PREFIX,
  condemnedName,
  DAMAGED_PREFIX,
  damagedName,
  decideRetention,
  type Image,
  INDEX_PREFIX,
  manifestName,
  PACK_PREFIX,
  packName,
  sessionEndName,
  sessionOpenName,
} from '../repository/mod.ts';
import { type PruneOptions, prune } from './prune.ts';
import { block, checked, errorsOf, flip, packOf } from './testing/checked-repository.ts';
import { type Item, SmallRepository } from './testing/small-repository.ts';

const KEEP_WASTE: PruneOptions = { maxUnused: { bytes: Infinity }, maxRepackBytes: Infinity, dryRun: false };
const NO_WASTE: PruneOptions = { ...KEEP_WASTE, maxUnused: { bytes: 0 } };

/** A file of text that no other file has. */
const own = (name: string): Item => [block(name), `${name} has this to itself`];

describe('prune', () => {
  let small: SmallRepository;

  beforeEach(async () => {
    small = await SmallRepository.create();
  });

  const run = (options: PruneOptions = KEEP_WASTE, signal = new AbortController().signal) =>
    prune({ store: small.store, clock: small.clock, signal, progress: () => {} }, options);

  const forget = (...images: readonly Image[]) =>
    decideRetention(small.store, small.clock, () =>
      images.map(({ header }) => ({
        kind: DecisionKind.forget,
        subject: header.session,
        until: 0,
        note: '',
      })),
    );

  const packs = () => [...small.store.objects.keys()].filter((name) => name.startsWith(PACK_PREFIX)).sort();
  const objects = (prefix: string) =>
    [...small.store.objects.keys()].filter((name) => name.startsWith(prefix));

  /** Every byte of every image that is left is there; their ids. */
  async function whole(): Promise<string[]> {
    const report = await checked(small, { readData: true });
    assert.deepEqual(errorsOf(report), []);
    const images = await small.repository.images(({ error }) => {
      throw error;
    });
    return images.map(({ id }) => id.toString('hex'));
  }

  const idsOf = (...images: readonly Image[]) => images.map(({ id }) => id.toString('hex'));

  it('deletes nothing that an image uses', async () => {
    const images = [
      await small.commit({ '/a': own('a') }),
      await small.commit({ '/a': own('a'), '/b': own('b') }),
    ];
    const before = packs();
    const summary = await run(NO_WASTE);
    assert.equal(summary.packsDeleted, 0);
    assert.deepEqual(packs(), before);
    assert.deepEqual(await whole(), idsOf(...images));
  });

  it('deletes the packs of a forgotten image that no other uses, and its session, not its manifest', async () => {
    const first = await small.commit({ '/a': own('a') });
    const second = await small.commit({ '/b': own('b') });
    const before = packs();
    await forget(first);
    const summary = await run();
    assert.equal(summary.packsDeleted, 2, 'one of chunks, one of nodes');
    assert.equal(packs().length, before.length - 2);
    assert.deepEqual(await whole(), idsOf(second));
    const { session, dataset, sequence } = first.header;
    assert.ok(!small.store.objects.has(sessionOpenName(session)));
    assert.ok(!small.store.objects.has(sessionEndName(session)));
    assert.ok(small.store.objects.has(manifestName(dataset, sequence)));
    assert.deepEqual(objects(CONDEMNED_PREFIX), []);
  });

  it('copies what is used out of packs that are mostly waste', async () => {
    const first = await small.commit({ '/a': own('a'), '/b': own('b') });
    const second = await small.commit({ '/b': own('b') });
    await forget(first);
    const before = packs();
    const pack = packOf(small, small.repository.secrets.chunkId(block('b')));
    assert.ok(before.includes(pack));
    assert.equal((await run(KEEP_WASTE)).packsCopied, 0);
    assert.ok(packs().includes(pack));
    const summary = await run(NO_WASTE);
    assert.equal(summary.packsCopied, 1);
    assert.ok(!packs().includes(pack));
    assert.deepEqual(await whole(), idsOf(second));
    const again = await run(NO_WASTE);
    assert.equal(again.packsDeleted + again.packsCopied, 0);
  });

  it('copies no more than it may', async () => {
    const first = await small.commit({ '/a': own('a'), '/b': own('b') });
    await small.commit({ '/b': own('b') });
    await forget(first);
    const summary = await run({ ...NO_WASTE, maxRepackBytes: 10 });
    assert.equal(summary.packsCopied, 0);
    assert.ok(summary.unusedBytes > 0);
  });

  it('makes one pack of many short ones', async () => {
    const images = [];
    for (let i = 0; i < 12; i++) images.push(await small.commit({ '/f': own(`${i}`) }));
    const before = packs().length;
    const summary = await run();
    assert.equal(summary.packsCopied, before);
    assert.equal(packs().length, 2);
    assert.deepEqual(await whole(), idsOf(...images));
  });

  it('a dry run changes nothing and says the same', async () => {
    const first = await small.commit({ '/a': own('a'), '/b': own('b') });
    await small.commit({ '/b': own('b') });
    await forget(first);
    const before = new Map(small.store.objects);
    const tried = await run({ ...NO_WASTE, dryRun: true });
    assert.deepEqual(small.store.objects, before);
    const done = await run(NO_WASTE);
    assert.equal(tried.packsDeleted, done.packsDeleted);
    assert.equal(tried.bytesDeleted, done.bytesDeleted);
  });

  it('waits for a backup that began before, and spares what it uses', async () => {
    const first = await small.commit({ '/a': own('a') });
    const session = await small.openSession('other');
    assert.ok(
      session.has(small.repository.secrets.chunkId(block('a'))),
      'the session builds on what is there',
    );
    const root = small.addTree(session, { '/copy': own('a') });
    await forget(first);
    let ended = false;
    const pruning = run().then((summary) => {
      assert.ok(ended, 'not before the session has ended');
      return summary;
    });
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    ended = true;
    const committed = await small.commitTree(session, root);
    const summary = await pruning;
    assert.ok(summary.packsSpared > 0);
    assert.deepEqual(await whole(), idsOf(committed));
  });

  it('ends a session whose heartbeat stands still; it cannot commit then', async () => {
    const first = await small.commit({ '/a': own('a') });
    const session = await small.openSession('other');
    const root = small.addTree(session, { '/copy': own('a') });
    await session.flush();
    small.clock.stop();
    await forget(first);
    const summary = await run();
    assert.equal(summary.sessionsExpired, 1);
    await assert.rejects(small.commitTree(session, root), (error) =>
      isEverfullError(error, 'session-expired'),
    );
    assert.deepEqual(await whole(), []);
    await run();
    assert.deepEqual(packs(), [], 'what it had stored went with the next run');
    assert.ok(!small.store.objects.has(sessionOpenName(session.id)));
  });

  it('a session that was ended and whose records are gone cannot commit either', async () => {
    await forget(await small.commit({ '/a': own('a') }));
    const session = await small.openSession('other');
    const root = small.addTree(session, { '/copy': own('a') });
    small.clock.stop();
    await run();
    await run();
    await run();
    assert.ok(!small.store.objects.has(sessionEndName(session.id)));
    await assert.rejects(small.commitTree(session, root), (error) =>
      isEverfullError(error, 'session-expired'),
    );
    assert.deepEqual(await whole(), []);
  });

  it('a forgotten image stays while somebody reads it', async () => {
    const image = await small.commit({ '/a': own('a') });
    const reader = await small.repository.pin(image, small.clock);
    await forget(image);
    const before = packs();
    await run();
    assert.deepEqual(packs(), before);
    await reader.check();
    await reader.close();
    await run();
    assert.deepEqual(packs(), []);
  });

  it('a reader that died keeps nothing', async () => {
    const image = await small.commit({ '/a': own('a') });
    const reader = await small.repository.pin(image, small.clock);
    small.clock.stop();
    await forget(image);
    assert.equal((await run()).sessionsExpired, 1);
    await assert.rejects(reader.check(), (error) => isEverfullError(error, 'session-expired'));
    await run();
    assert.deepEqual(packs(), []);
  });

  it('a forgotten image can neither be read nor built on', async () => {
    const image = await small.commit({ '/a': own('a') });
    await forget(image);
    const isMissing = (error: unknown) => isEverfullError(error, 'image-missing');
    await assert.rejects(small.repository.pin(image, small.clock), isMissing);
    const options = { compression: 'auto', clock: small.clock, base: image } as const;
    await assert.rejects(small.repository.openSession(image.header.dataset, options), isMissing);
    assert.equal(await small.repository.newestImage(image.header.dataset, () => {}), undefined);
    assert.deepEqual(await small.repository.images(() => {}), []);
  });

  it('no session builds on what is condemned, and the list of a run that died is dealt with', async () => {
    const image = await small.commit({ '/a': own('a') });
    const condemned = packs().map((name) => Buffer.from(name.slice(-32), 'hex'));
    const dead = Buffer.alloc(16, 9);
    const list = condemnedRecord.encode({ run: dead, published: 1, packs: condemned }, digest);
    small.store.objects.set(condemnedName(dead), list);
    const session = await small.openSession('other');
    assert.ok(!session.has(small.repository.secrets.chunkId(block('a'))));
    await session.abort({ keep: false });
    const before = packs();
    await run();
    assert.deepEqual(objects(CONDEMNED_PREFIX), []);
    for (const pack of before) assert.ok(!packs().includes(pack));
    assert.deepEqual(await whole(), idsOf(image));
  });

  it('deletes nothing where it cannot tell what is in use', async () => {
    const first = await small.commit({ '/a': own('a') });
    const second = await small.commit({ '/b': own('b') });
    await forget(first);
    const { indexRoot } = second.header;
    const place = small.repository.index.find(indexRoot)!;
    flip(small, packName(place.pack), place.offset + place.length - 1);
    const before = new Map(small.store.objects);
    await assert.rejects(run(), (error) => isEverfullError(error, 'damaged'));
    assert.deepEqual(small.store.objects, before);
  });

  it('the pack of a damaged chunk that is sound nowhere stays; once it is stored anew it goes, and the record too', async () => {
    const image = await small.commit({ '/a': own('a'), '/b': own('b') });
    const id = small.repository.secrets.chunkId(block('a'));
    const place = small.repository.index.find(id)!;
    assert.equal(place.kind, FrameKind.chunk);
    flip(small, packName(place.pack), place.offset + place.length - 1);
    const verification = Buffer.alloc(16, 8);
    const damage = { verification, found: 1, frames: [{ id, pack: place.pack }] };
    small.store.objects.set(damagedName(verification), damagedRecord.encode(damage, digest));
    await run(NO_WASTE);
    assert.ok(packs().includes(packName(place.pack)));
    const session = await small.openSession('other');
    assert.ok(!session.has(id), 'nobody builds on what is damaged');
    const healed = await small.commitTree(session, small.addTree(session, { '/copy': own('a') }));
    await run(NO_WASTE);
    assert.ok(!packs().includes(packName(place.pack)));
    assert.deepEqual(objects(DAMAGED_PREFIX), []);
    assert.deepEqual(await whole(), idsOf(image, healed));
  });

  it('interrupted while it waits, it deletes nothing, not even its list stays', async () => {
    const image = await small.commit({ '/a': own('a') });
    const session = await small.openSession('other');
    await forget(image);
    const before = packs();
    const interrupt = new AbortController();
    const pruning = run(KEEP_WASTE, interrupt.signal);
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    interrupt.abort();
    await assert.rejects(pruning);
    assert.deepEqual(packs(), before);
    assert.deepEqual(objects(CONDEMNED_PREFIX), []);
    await session.abort({ keep: false });
  });

  it('a pack whose segment a run that died never put is found by it again', async () => {
    const images = [];
    for (let i = 0; i < 12; i++) images.push(await small.commit({ '/f': own(`${i}`) }));
    const { putIfAbsent } = small.store;
    small.store.putIfAbsent = async (name, parts) => {
      if (name.startsWith(INDEX_PREFIX)) throw new EverfullError('io', 'no');
      await putIfAbsent.call(small.store, name, parts);
    };
    await assert.rejects(run(), (error) => isEverfullError(error, 'io'));
    small.store.putIfAbsent = putIfAbsent;
    assert.equal(packs().length, objects(INDEX_PREFIX).length + 1);
    await run(NO_WASTE);
    assert.equal(packs().length, objects(INDEX_PREFIX).length);
    assert.deepEqual(await whole(), idsOf(...images));
  });

  it('two runs at once lose nothing', async () => {
    const images = [];
    for (let i = 0; i < 6; i++) images.push(await small.commit({ '/f': own(`${i}`), '/g': own('shared') }));
    await forget(...images.slice(0, 3));
    await Promise.allSettled([run(NO_WASTE), run(NO_WASTE)]);
    await run(NO_WASTE);
    assert.deepEqual(await whole(), idsOf(...images.slice(3)));
  });
});

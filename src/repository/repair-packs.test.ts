import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { hexOf, systemClock } from '../base/mod.ts';
import { FrameKind } from '../format/mod.ts';
import { readDamaged } from './damaged.ts';
import { INDEX_PREFIX, PACK_PREFIX, packName } from './names.ts';
import { repairPacks } from './repair-packs.ts';
import { Repository } from './repository.ts';
import { addChunk, commitEmpty, KEY, makeRepository, openSession } from './testing/hand-made.ts';
import type { WatchedStore } from './testing/watched-store.ts';
import { verifyPacks } from './verify.ts';

describe('repairPacks()', () => {
  let store: WatchedStore;
  let repository: Repository;
  let chunks: Buffer[];

  beforeEach(async () => {
    ({ store, repository } = await makeRepository());
    const session = await openSession(repository);
    chunks = [0, 1, 2, 3].map((i) => addChunk(repository, session, Buffer.alloc(300, `chunk ${i} `)));
    await commitEmpty(repository, session);
  });

  const placeOf = (id: Uint8Array) => repository.index.find(id)!;

  function flip(name: string, at: number): void {
    const bytes = store.objects.get(name)!;
    bytes[at < 0 ? bytes.length + at : at]! ^= 1;
  }

  const verify = () =>
    verifyPacks(store, {
      clock: systemClock,
      signal: new AbortController().signal,
      progress: () => {},
      onDamage: () => {},
    });

  function run({ dryRun = false, withKey = false } = {}) {
    return repairPacks(store, {
      secretsId: repository.config.secretsId,
      dryRun,
      open: withKey ? (frame, kind, id) => repository.open(frame, kind, id) : undefined,
      checkpoint: () => {},
      progress: () => {},
    });
  }

  const count = (prefix: string) =>
    [...store.objects.keys()].filter((name) => name.startsWith(prefix)).length;

  /** The chunks that a process which opens the repository now can read at places that are not damaged. */
  async function sound(): Promise<number[]> {
    const reopened = await Repository.open(store, [KEY]);
    const damaged = await readDamaged(store);
    const found: number[] = [];
    for (const [i, id] of chunks.entries()) {
      if (!reopened.index.places(id).some(({ pack }) => !damaged.has(id, pack))) continue;
      await reopened.frame(FrameKind.chunk, id);
      found.push(i);
    }
    return found;
  }

  it('has nothing to do where no damage is recorded', async () => {
    assert.deepEqual(await run(), []);
  });

  it('copies the sound frames of a damaged pack, with a segment, and names the others', async () => {
    const { pack, offset } = placeOf(chunks[1]!);
    flip(packName(pack), offset + 100);
    await verify();
    const before = [count(PACK_PREFIX), count(INDEX_PREFIX)];
    const [planned] = await run({ dryRun: true });
    assert.deepEqual(
      [planned!.copied, planned!.elsewhere, planned!.lost.map(hexOf)],
      [3, 0, [hexOf(chunks[1]!)]],
    );
    assert.deepEqual([count(PACK_PREFIX), count(INDEX_PREFIX)], before);
    const [done] = await run();
    assert.deepEqual([done!.pack, done!.copied, done!.isGone], [packName(pack), 3, false]);
    assert.deepEqual(
      [count(PACK_PREFIX), count(INDEX_PREFIX)],
      before.map((each) => each + 1),
    );
    const reopened = await Repository.open(store, [KEY]);
    for (const id of [chunks[0]!, chunks[2]!, chunks[3]!]) assert.equal(reopened.index.places(id).length, 2);
    assert.deepEqual(await sound(), [0, 2, 3]);
  });

  it('copies nothing twice, and takes what was stored anew for what it is', async () => {
    const { pack, offset } = placeOf(chunks[1]!);
    flip(packName(pack), offset + 100);
    await verify();
    await run();
    const healing = await openSession(repository);
    addChunk(repository, healing, Buffer.alloc(300, 'chunk 1 '));
    await healing.abort({ keep: true });
    const packs = count(PACK_PREFIX);
    const [again] = await run();
    assert.deepEqual([again!.copied, again!.elsewhere, again!.lost], [0, 4, []]);
    assert.equal(count(PACK_PREFIX), packs);
  });

  it('needs a key for a pack whose table is lost, and says so', async () => {
    const { pack, offset } = placeOf(chunks[2]!);
    flip(packName(pack), -1);
    flip(packName(pack), offset + 200);
    await verify();
    const [blind] = await run();
    assert.deepEqual([blind!.copied, blind!.lost.length, blind!.untold], [0, 4, 4]);
    const [seeing] = await run({ withKey: true });
    assert.deepEqual([seeing!.copied, seeing!.untold, seeing!.lost.map(hexOf)], [3, 0, [hexOf(chunks[2]!)]]);
    assert.deepEqual(await sound(), [0, 1, 3]);
  });

  it('copies what is below a damaged head', async () => {
    const { pack } = placeOf(chunks[0]!);
    flip(packName(pack), 10);
    await verify();
    const [done] = await run();
    assert.deepEqual([done!.copied, done!.lost], [4, []]);
    assert.deepEqual(await sound(), [0, 1, 2, 3]);
  });

  it('names what was lost with a pack that is gone', async () => {
    const { pack } = placeOf(chunks[0]!);
    store.objects.delete(packName(pack));
    await verify();
    const [gone] = await run();
    assert.deepEqual([gone!.isGone, gone!.copied, gone!.lost.length], [true, 0, 4]);
  });
});

import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { EverfullError, hexOf, systemClock } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import { condemnedRecord, encodeSegmentRows, encodeTable, SEGMENT_ROW_BYTES } from '../format/mod.ts';
import type { GetOptions } from '../store/mod.ts';
import { readPackTable } from './chunk-index.ts';
import { readDamaged } from './damaged.ts';
import { condemnedName, DATA_KEY_PREFIX, PACK_PREFIX, packName, segmentName } from './names.ts';
import type { Repository } from './repository.ts';
import { addChunk, commitEmpty, makeRepository, openSession } from './testing/hand-made.ts';
import type { WatchedStore } from './testing/watched-store.ts';
import { type FoundDamage, type VerifiedPacks, type VerifyOptions, verifyPacks } from './verify.ts';

const isKey = (name: string) => name.startsWith(DATA_KEY_PREFIX);

class Times implements VerifiedPacks {
  readonly times = new Map<string, number>();
  at = (pack: string) => this.times.get(pack);
  note = (pack: string, time: number) => void this.times.set(pack, time);
  retain(packs: ReadonlyMap<string, unknown>): void {
    for (const pack of this.times.keys()) if (!packs.has(pack)) this.times.delete(pack);
  }
}

describe('verifyPacks()', () => {
  let store: WatchedStore;
  let repository: Repository;
  let chunks: Buffer[];
  let whole: Map<string, Uint8Array>;

  beforeEach(async () => {
    ({ store, repository } = await makeRepository());
    chunks = [];
    for (let image = 0; image < 2; image++) {
      const session = await openSession(repository);
      for (let i = 0; i < 3; i++)
        chunks.push(addChunk(repository, session, Buffer.alloc(200 + i, `chunk ${image} ${i} `)));
      await commitEmpty(repository, session);
    }
    whole = new Map([...store.objects].map(([name, bytes]) => [name, Buffer.from(bytes)]));
  });

  function reset(): void {
    store.objects.clear();
    for (const [name, bytes] of whole) store.objects.set(name, Buffer.from(bytes));
  }

  async function run(options: Partial<VerifyOptions> = {}) {
    const found: FoundDamage[] = [];
    const report = await verifyPacks(store, {
      clock: systemClock,
      signal: new AbortController().signal,
      progress: () => {},
      onDamage: (damage) => found.push(damage),
      ...options,
    });
    return { report, found };
  }

  const placeOf = (id: Uint8Array) => repository.index.find(id)!;
  const packOf = (id: Uint8Array) => packName(placeOf(id).pack);

  function flip(name: string, at: number): void {
    store.objects.get(name)![at]! ^= 0x10;
  }

  function damage(id: Uint8Array): void {
    flip(packOf(id), placeOf(id).offset + placeOf(id).length - 1);
  }

  async function recorded(): Promise<string[]> {
    return [...(await readDamaged(store)).places()]
      .map(({ id, pack }) => `${hexOf(id)} ${hexOf(pack)}`)
      .sort();
  }

  it('finds nothing in a sound repository, and puts nothing', async () => {
    const puts = store.puts;
    const { report, found } = await run();
    assert.deepEqual(found, []);
    assert.equal(store.puts, puts);
    assert.deepEqual([report.packs, report.packsVerified, report.packsLeft], [3, 3, 0]);
    assert.equal(report.frames, 7);
    assert.equal(report.objects, store.objects.size - report.packs);
    assert.deepEqual([report.damagedObjects, report.damagedFrames, report.recorded], [0, 0, 0]);
  });

  it('finds a flipped bit anywhere in any object, and names that object', async () => {
    for (const [name, { length }] of whole) {
      const step = Math.max(1, Math.floor(length / 40));
      for (let at = 0; at < length; at += step) {
        reset();
        flip(name, at);
        const { found } = await run();
        assert.ok(
          found.some(({ object }) => object === name),
          `${name} at ${at} of ${length}`,
        );
      }
    }
  });

  it('finds that any object is cut short, emptied, or longer', async () => {
    for (const [name, bytes] of whole) {
      const others = [bytes.subarray(0, 0), bytes.subarray(0, bytes.length - 1), bytes.subarray(0, 30)];
      for (const other of [...others, Buffer.concat([bytes, Buffer.of(0)])]) {
        reset();
        store.objects.set(name, other);
        const { found } = await run();
        // Without its data key a frame is lost, too.
        const isOther = ({ object }: FoundDamage) => !(isKey(name) && object.startsWith(PACK_PREFIX));
        assert.deepEqual(
          [...new Set(found.filter(isOther).map(({ object }) => object))],
          [name],
          `${name} of ${other.length}`,
        );
      }
    }
  });

  it('takes frames for damaged whose data key is missing or damaged, in whatever pack', async () => {
    for (const damage of [(name: string) => store.objects.delete(name), (name: string) => flip(name, 60)]) {
      for (const name of [...whole.keys()].filter(isKey)) {
        reset();
        damage(name);
        const { found } = await run();
        const packs = found.filter(({ object }) => object.startsWith(PACK_PREFIX));
        assert.ok(packs.length > 0);
        assert.equal((await recorded()).length, packs.flatMap(({ frames }) => frames).length);
      }
    }
  });

  it('finds objects that stand in the place of others', async () => {
    const ends = [...whole.keys()].filter((name) => name.endsWith('.end'));
    store.objects.set(ends[0]!, whole.get(ends[1]!)!);
    const { found } = await run();
    assert.deepEqual(
      found.map(({ object, error }) => [object, error.code]),
      [[ends[0], 'forged']],
    );
  });

  it('records each damaged frame once, however often it is found', async () => {
    damage(chunks[0]!);
    damage(chunks[1]!);
    damage(chunks[5]!);
    const first = await run();
    assert.deepEqual(
      first.found.map(({ object }) => object).sort(),
      [packOf(chunks[0]!), packOf(chunks[5]!)].sort(),
    );
    assert.deepEqual([first.report.damagedFrames, first.report.recorded], [3, 3]);
    const places = [chunks[0]!, chunks[1]!, chunks[5]!].map(
      (id) => `${hexOf(id)} ${hexOf(placeOf(id).pack)}`,
    );
    assert.deepEqual(await recorded(), places.sort());
    const damaged = await readDamaged(store);
    assert.ok(damaged.has(chunks[0]!, placeOf(chunks[0]!).pack));
    assert.ok(!damaged.has(chunks[2]!, placeOf(chunks[2]!).pack));
    const { puts } = store;
    const second = await run();
    assert.deepEqual([second.report.damagedFrames, second.report.recorded], [3, 0]);
    assert.equal(store.puts, puts);
    damage(chunks[2]!);
    assert.equal((await run()).report.recorded, 1);
    assert.equal((await recorded()).length, 4);
  });

  it('takes all frames of a pack for damaged whose table is lost, as far as a segment names them', async () => {
    const pack = packOf(chunks[0]!);
    flip(pack, whole.get(pack)!.length - 1);
    const { found } = await run();
    assert.deepEqual(
      found.map(({ object, frames }) => [object, frames.length]),
      [[pack, 3]],
    );
    assert.equal((await recorded()).length, 3);
  });

  it('names a pack whose table and segment are lost, though nobody knows what was in it', async () => {
    const { pack } = placeOf(chunks[0]!);
    flip(packName(pack), whole.get(packName(pack))!.length - 1);
    flip(segmentName(pack), 40);
    const { found } = await run();
    assert.deepEqual(
      found.map(({ object, frames }) => [object, frames.length]).sort(),
      [
        [segmentName(pack), 0],
        [packName(pack), 0],
      ].sort(),
    );
    assert.deepEqual(await recorded(), []);
  });

  it('takes the frames of a pack for damaged that is gone, unless it was condemned', async () => {
    const { pack } = placeOf(chunks[0]!);
    store.objects.delete(packName(pack));
    const condemned = condemnedRecord.encode(
      { run: Buffer.alloc(16, 9), published: 1, packs: [Buffer.from(pack)] },
      digest,
    );
    store.objects.set(condemnedName(Buffer.alloc(16, 9)), condemned);
    assert.deepEqual((await run()).found, []);
    store.objects.delete(condemnedName(Buffer.alloc(16, 9)));
    const { found } = await run();
    assert.deepEqual(
      found.map(({ object, error, frames }) => [object, error.code, frames.length]),
      [[packName(pack), 'object-missing', 3]],
    );
    assert.equal((await recorded()).length, 3);
    store.objects.delete(segmentName(pack));
    assert.deepEqual((await run()).found, []);
  });

  it('looks frames up in a segment that stands for several packs', async () => {
    const packs = [placeOf(chunks[0]!), placeOf(chunks[3]!)].map(({ pack, packBytes: bytes }) => ({
      name: Buffer.from(pack),
      bytes,
    }));
    const rows = await Promise.all(packs.map((pack) => readPackTable(store, pack)));
    for (const { name } of packs) store.objects.delete(segmentName(name));
    const merged = rows.flatMap((some, pack) => some.map((row) => ({ ...row, pack })));
    const sorted = merged.sort((a, b) => Buffer.compare(a.id, b.id));
    const table = encodeTable(SEGMENT_ROW_BYTES, encodeSegmentRows(sorted), packs, digest);
    store.objects.set(segmentName(packs[0]!.name), table);
    store.objects.delete(packName(packs[1]!.name));
    const { found } = await run();
    assert.deepEqual(
      found.map(({ object, frames }) => [object, frames.map(hexOf).sort()]),
      [[packName(packs[1]!.name), rows[1]!.map(({ id }) => hexOf(id)).sort()]],
    );
  });

  /** Has the next calls of `get` for a name answered by `answer`. */
  function intercept(
    name: string,
    answer: (bytes: Uint8Array, options: GetOptions, call: number) => Uint8Array,
  ) {
    const get = store.get.bind(store);
    let call = 0;
    store.get = async (wanted, options = {}) =>
      wanted === name ? answer(await get(wanted, options), options, call++) : get(wanted, options);
  }

  it('does not believe a reading that the next one contradicts', async () => {
    for (const at of [3, placeOf(chunks[0]!).offset + 20, -1]) {
      const pack = packOf(chunks[0]!);
      intercept(pack, (bytes, _options, call) => {
        if (call > 0) return bytes;
        const wrong = Buffer.from(bytes);
        wrong[at < 0 ? wrong.length + at : at]! ^= 1;
        return wrong;
      });
      assert.deepEqual((await run()).found, [], `at ${at}`);
    }
  });

  function refused(errno: string): EverfullError {
    return new EverfullError('io', `cannot read: ${errno}`, { context: { errno } });
  }

  it('takes what a failing disk cannot read for damaged, and nothing around it', async () => {
    const bad = placeOf(chunks[1]!);
    intercept(packName(bad.pack), (bytes, { range }) => {
      const { offset, length } = range ?? { offset: 0, length: bytes.length };
      if (offset < bad.offset + bad.length && offset + length > bad.offset) throw refused('EIO');
      return bytes;
    });
    const { found } = await run();
    assert.deepEqual(
      found.map(({ object, frames }) => [object, frames.map(hexOf)]),
      [[packName(bad.pack), [hexOf(chunks[1]!)]]],
    );
    assert.equal((await recorded()).length, 1);
  });

  it('names a pack that nobody lets it read, and does not take its frames for damaged', async () => {
    intercept(packOf(chunks[1]!), () => {
      throw refused('EACCES');
    });
    const times = new Times();
    const { found } = await run({ verified: times });
    assert.deepEqual(
      found.map(({ object, error, frames }) => [object, error.code, frames.length]),
      [[packOf(chunks[1]!), 'io', 0]],
    );
    assert.deepEqual(await recorded(), []);
    assert.equal(times.times.size, 2);
  });

  it('passes over a pack that a collector deletes meanwhile', async () => {
    const { pack } = placeOf(chunks[0]!);
    const name = packName(pack);
    intercept(name, () => {
      store.objects.delete(segmentName(pack));
      store.objects.delete(name);
      throw new EverfullError('object-missing', `cannot find "${name}"`);
    });
    const { found, report } = await run();
    assert.deepEqual([found, report.packsVerified], [[], 2]);
  });

  it('reads packs that were verified longest ago first, within its budget, and goes on the next time', async () => {
    let time = 1000;
    const clock = { ...systemClock, now: () => time };
    const verified = new Times();
    const order: string[] = [];
    for (let turn = 0; turn < 6; turn++) {
      time += 1000;
      const { report } = await run({ clock, verified, budgetBytes: 1 });
      assert.deepEqual([report.packsVerified, report.packsLeft], [1, 2]);
      order.push([...verified.times].find(([, at]) => at === time)![0]);
    }
    assert.equal(new Set(order.slice(0, 3)).size, 3);
    assert.deepEqual(order.slice(3), order.slice(0, 3));
    const { report } = await run({ clock, verified, after: 6000 });
    assert.equal(report.packsVerified, 1);
  });

  it('does not note a damaged pack as verified, and forgets packs that are gone', async () => {
    const verified = new Times();
    verified.times.set('00'.repeat(16), 5);
    damage(chunks[0]!);
    await run({ verified });
    assert.equal(verified.times.size, 2);
    assert.ok(!verified.times.has(hexOf(placeOf(chunks[0]!).pack)));
  });

  it('records what it found when it is interrupted', async () => {
    for (const id of chunks) damage(id);
    const interrupted = new AbortController();
    const found: FoundDamage[] = [];
    const work = verifyPacks(store, {
      clock: systemClock,
      signal: interrupted.signal,
      progress: () => interrupted.abort(),
      onDamage: (one) => found.push(one),
    });
    await assert.rejects(work, { code: 'interrupted' });
    assert.ok(found.length > 0);
    assert.equal((await recorded()).length, found.flatMap(({ frames }) => frames).length);
  });

  it('tells of a record of damage that cannot be read, and records its own beside it', async () => {
    damage(chunks[0]!);
    await run();
    const [record] = [...store.objects.keys()].filter((name) => name.startsWith('damaged/'));
    flip(record!, 30);
    await assert.rejects(readDamaged(store), { code: 'damaged' });
    const { found, report } = await run();
    assert.deepEqual(found.map(({ object }) => object).sort(), [record!, packOf(chunks[0]!)].sort());
    assert.equal(report.recorded, 1);
  });
});

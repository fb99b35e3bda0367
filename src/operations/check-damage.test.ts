import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { digest } from '../crypto/mod.ts';
import { EntryType, sessionBeatRecord } from '../format/mod.ts';
import { sessionBeatName, sessionOpenName } from '../repository/mod.ts';
import { type CheckReport, check } from './check.ts';
import { checked, manyBlocks } from './testing/checked-repository.ts';
import { SmallRepository } from './testing/small-repository.ts';

describe('check() of every object of a small repository', () => {
  let small: SmallRepository;
  let whole: Map<string, Uint8Array>;
  let baseline: string;
  const sessionsWithoutImage = new Set<string>();

  const printed = ({ findings }: CheckReport) =>
    JSON.stringify(findings.map(({ kind, object, error, images }) => [kind, object, error.message, images]));

  before(async () => {
    small = await SmallRepository.create();
    await small.commit({
      '/a': 'a',
      '/l': manyBlocks.slice(0, 8),
      '/link': { type: EntryType.symlink, target: 'a' },
    });
    await small.commit({ '/a': 'a2', '/l': manyBlocks.slice(0, 9) });
    await small.commit({ '/o': 'o' }, { dataset: 'other', host: 'other' });
    const aborted = await small.openSession('aborted');
    small.addTree(aborted, { '/aborted': 'aborted' });
    await aborted.abort({ keep: true });
    sessionsWithoutImage.add(sessionOpenName(aborted.id));
    for (const name of ['dead', 'running']) {
      const session = await small.openSession(name);
      small.addTree(session, { '/dead': name });
      await session.flush();
      sessionsWithoutImage.add(sessionOpenName(session.id));
      small.store.objects.set(
        sessionBeatName(session.id),
        sessionBeatRecord.encode({ session: session.id, beat: 3 }, digest),
      );
    }
    whole = new Map(small.store.objects);
    const report = await checked(small, { readData: true });
    assert.equal(report.errors, 0);
    baseline = printed(report);
  });

  /** Whether the change is noticed: by opening the repository, or by what check finds. */
  async function isNoticed(change: (objects: Map<string, Uint8Array>) => void): Promise<boolean> {
    small.store.objects.clear();
    for (const [name, bytes] of whole) small.store.objects.set(name, Buffer.from(bytes));
    change(small.store.objects);
    let context: Awaited<ReturnType<SmallRepository['reopen']>>;
    try {
      context = await small.reopen();
    } catch (error) {
      assert.ok((error as { code?: string }).code, `${error}`);
      return true;
    }
    const report = await check(context, { readData: true });
    return printed(report) !== baseline;
  }

  it('notices a flipped bit in each', async () => {
    const missed: string[] = [];
    for (const [name, { length }] of whole) {
      for (const at of new Set([0, 5, length >> 2, length >> 1, length - 40, length - 1])) {
        if (
          !(await isNoticed((objects) => {
            objects.get(name)![Math.max(0, at)]! ^= 1 << (at % 8);
          }))
        )
          missed.push(`${name} at ${at}`);
      }
    }
    assert.deepEqual(missed, []);
  });

  it('notices that any is cut short, empty, or longer', async () => {
    const missed: string[] = [];
    for (const [name, bytes] of whole) {
      for (const other of [
        bytes.subarray(0, 0),
        bytes.subarray(0, bytes.length >> 1),
        bytes.subarray(0, -1),
        Buffer.concat([bytes, Buffer.of(0)]),
      ]) {
        if (
          !(await isNoticed((objects) => {
            objects.set(name, other);
          }))
        )
          missed.push(`${name} of ${other.length}`);
      }
    }
    assert.deepEqual(missed, []);
  });

  it('notices that any is gone, but what a collector leaves half removed: records of sessions without an image', async () => {
    const missed: string[] = [];
    for (const name of whole.keys())
      if (
        !(await isNoticed((objects) => {
          objects.delete(name);
        }))
      )
        missed.push(name);
    assert.deepEqual(
      missed.filter((name) => !name.endsWith('.beat') && !sessionsWithoutImage.has(name)),
      [],
    );
  });

  it('notices that any two are swapped, or one stands in for another', async () => {
    const missed: string[] = [];
    const names = [...whole.keys()].sort();
    for (const [i, a] of names.entries()) {
      // Each with its two neighbours, mostly of its kind, and with one of another kind.
      for (const b of [
        names[(i + 1) % names.length]!,
        names[(i + 2) % names.length]!,
        names[(i + 11) % names.length]!,
      ]) {
        const swap = await isNoticed((objects) => {
          objects.set(a, whole.get(b)!).set(b, whole.get(a)!);
        });
        const replay = await isNoticed((objects) => {
          objects.set(a, whole.get(b)!);
        });
        if (!swap || !replay) missed.push(`${a} ${b}`);
      }
    }
    assert.deepEqual(missed, []);
  });
});

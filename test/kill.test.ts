import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatKeyFile } from '../src/crypto/mod.ts';
import { root } from '../tools/project.ts';
import { CommandLine } from './command-line.ts';
import { type Ended, run } from './testing/child.ts';
import { type Attempt, InterruptedBackup } from './testing/interrupted-backup.ts';
import { assertRestores, imagesOf, KEY, openRepository, treeOf } from './testing/repository-fixture.ts';
import { type KernelCall, traced } from './testing/store-trace.ts';
import { eachOf } from './testing/two-at-a-time.ts';

const PROGRAM = join(root, 'test/testing/backup-until-call.ts');

/** A call of the store that changes the file system. */
interface Call {
  readonly kind: string;
  /** Its object or folder. */
  readonly path: string;
}

describe('a backup that is killed', () => {
  let prepared: InterruptedBackup;
  let whole: readonly Call[];

  before(async () => {
    prepared = await InterruptedBackup.prepare();
    writeFileSync(join(prepared.folder, 'key'), formatKeyFile(KEY.secret));
    const { ended, calls } = await distinct((attempt) => callsUntil(attempt, 0));
    assert.equal(ended.code, 0, ended.stderr);
    whole = calls;
  });
  after(() => prepared.remove());

  test('at each call that changes the repository leaves it whole, and the next one goes on', async (context) => {
    let hit = 0;
    await eachOf(whole.keys(), async (i) => {
      const { attempt, ended, calls } = await alike(i, (attempt) => callsUntil(attempt, i + 1));
      await assertKilled(attempt, ended, calls, i);
      hit++;
    });
    assert.equal(hit, whole.length);
    context.diagnostic(`kill points found ${whole.length}, hit ${hit}; committed images lost 0`);
  });

  test('by the kernel at the same calls leaves it whole as well', async (context) => {
    const unharmed = await distinct((attempt) => backUpTraced(attempt));
    assert.equal(unharmed.ended.code, 0, unharmed.ended.stderr);
    // What the store says that it calls is what the kernel sees, one for one.
    assert.deepEqual(kindsOf(unharmed.calls), kindsOf(whole));
    let hit = 0;
    const points = [...unharmed.calls.entries()].filter(([, { syscall }]) => COUNTED_ALONE.test(syscall));
    const chosen = points.filter((_, i) => i % TRACED_OF === 0);
    await eachOf(chosen.values(), async ([i, call]) => {
      const { attempt, ended, calls } = await alike(i, (attempt) => backUpTraced(attempt, call));
      await assertKilled(attempt, ended, calls, i);
      hit++;
    });
    assert.equal(hit, chosen.length);
    context.diagnostic(
      `calls numbered by the store ${whole.length}, seen by the kernel ${unharmed.calls.length}; kill points tried under strace ${chosen.length}, hit ${hit}`,
    );
  });

  /** Packs have random names. Where two new ones share a folder (once in 256 runs) it is made once, and the calls are others. */
  async function distinct<T>(backUp: (attempt: Attempt) => Promise<T>): Promise<T> {
    for (;;) {
      const attempt = prepared.attempt();
      const before = packsIn(attempt);
      const result = await backUp(attempt);
      const folders = packsIn(attempt)
        .filter((pack) => !before.includes(pack))
        .map((pack) => pack.split('/')[0]);
      if (new Set(folders).size === folders.length) return result;
    }
  }

  /** A run that is killed at call `i`; once more where chance gave it other calls before. */
  async function alike<T extends { readonly calls: readonly { readonly kind: string }[] }>(
    i: number,
    backUp: (attempt: Attempt) => Promise<T>,
  ): Promise<T & { readonly attempt: Attempt }> {
    const expected = kindsOf(whole.slice(0, i + 1)).join();
    for (let tries = 1; ; tries++) {
      const attempt = prepared.attempt();
      const result = await backUp(attempt);
      if (tries === 3 || kindsOf(result.calls).join() === expected) return { ...result, attempt };
    }
  }

  function packsIn({ repository }: Attempt): string[] {
    const packs = join(repository, 'packs');
    return readdirSync(packs, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('/'));
  }

  async function assertKilled(
    attempt: Attempt,
    ended: Ended,
    calls: readonly { readonly kind: string }[],
    i: number,
  ): Promise<void> {
    const what = `killed at call ${i + 1}, ${whole[i]!.kind}`;
    assert.equal(ended.signal, 'SIGKILL', what);
    assert.deepEqual(kindsOf(calls), kindsOf(whole.slice(0, i + 1)), what);
    // An image is there from the moment when the end of its session has its name.
    const committed = whole.findIndex(({ kind, path }) => kind === 'link' && path.endsWith('.end'));
    const images = i > committed ? 2 : 1;
    await prepared.assertWhole(attempt, images, what);
    await prepared.assertGoesOn(attempt, images, what);
  }

  async function callsUntil(attempt: Attempt, last: number): Promise<{ ended: Ended; calls: Call[] }> {
    const { repository, state } = attempt;
    const ended = await run([...NODE, PROGRAM, repository, prepared.source, state, `${last}`]);
    const lines = ended.stdout.split('\n').slice(0, -1);
    const calls = lines.map((line) => {
      const [, kind, path] = /^\d+ (\w+) (.*)$/.exec(line)!;
      return { kind: kind!, path: path! };
    });
    return { ended, calls };
  }

  function backUpTraced({ repository }: Attempt, killAt?: KernelCall) {
    const access = ['-r', repository, '--key-file', join(prepared.folder, 'key'), '--no-cache'];
    const words = [...CommandLine.words, ...access, 'backup', '--host', 'host', prepared.source];
    return traced(words, repository, killAt);
  }
});

const NODE = [process.execPath, '--disable-warning=ExperimentalWarning'];
/** Calls that only the store makes: each thread opens files, and wakes others by writing. */
const COUNTED_ALONE = /^(fsync|link|linkat|unlink|unlinkat|mkdir|mkdirat|writev)$/;
/** Every so manieth call is tried under strace, which takes a second each. */
const TRACED_OF = 5;

function kindsOf(calls: readonly { readonly kind: string }[]): string[] {
  return calls.map(({ kind }) => kind);
}

const FILES = 24;
const FILE_BYTES = 4 * 1024 * 1024;

test('a backup that is interrupted ends with 130, and the next one uses what it stored', async (context) => {
  const line = new CommandLine(context);
  const source = line.path('source');
  mkdirSync(source);
  const bytes = Buffer.alloc(FILE_BYTES);
  for (let i = 0; i < FILES; i++) writeFileSync(join(source, `${i}`), randomFillSync(bytes));
  writeFileSync(line.path('key'), formatKeyFile(KEY.secret));
  const access = ['-r', line.path('repository'), '--key-file', line.path('key')];
  await line.ok([...access, 'init']);
  const interrupted = await line.run([...access, 'backup', source], {
    meanwhile: async (child) => {
      const packs = line.path('repository/packs');
      while (child.exitCode === null && !(existsSync(packs) && readdirSync(packs).length > 0)) await sleep(5);
      child.kill('SIGINT');
    },
  });
  assert.equal(interrupted.code, 130, interrupted.stderr);
  assert.match(interrupted.stderr, /^everfull: .*interrupted/m);
  assert.doesNotMatch(interrupted.stderr, /^ {4}at /m);
  assert.match(await line.ok([...access, 'check', '--read-data']), /no errors were found/);
  assert.match(await line.ok([...access, 'images']), /\b0 images|no images/i);

  const summary = JSON.parse(
    (await line.ok([...access, '--json', 'backup', source])).trim().split('\n').pop()!,
  );
  const saved = FILES * FILE_BYTES - summary.data_added;
  context.diagnostic(`of ${FILES * FILE_BYTES} bytes, the second run had to store ${summary.data_added}`);
  assert.ok(saved > 0, `${summary.data_added} bytes were stored again`);
  const repository = await openRepository(line.path('repository'));
  const images = await imagesOf(repository);
  assert.equal(images.length, 1);
  await assertRestores(repository, images[0]!, source, treeOf(source), line.path('restored'));
});

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Dice } from '../simulation/dice.ts';
import { byteStringFromText, isEverfullError } from '../src/base/mod.ts';
import { formatKeyFile } from '../src/crypto/mod.ts';
import { Repository } from '../src/repository/mod.ts';
import { type FileSystemCalls, openFolderStore, systemCalls } from '../src/store/mod.ts';
import { CommandLine } from './command-line.ts';
import { Life } from './power-cut/life.ts';
import { afterCut, LoggedDisk } from './power-cut/logged-disk.ts';
import type { Cut, WriteLog } from './power-cut/write-log.ts';
import { backUp, contextOf, KEY, newRepository } from './testing/repository-fixture.ts';
import { eachOf } from './testing/two-at-a-time.ts';

/** More of both: EVERFULL_POWER_CUT_STATES=2000 EVERFULL_POWER_CUT_SEED=7 */
const STATES = Number(process.env.EVERFULL_POWER_CUT_STATES ?? 60);
const SEED = Number(process.env.EVERFULL_POWER_CUT_SEED ?? Date.now() % 2 ** 32);

const MUTANT_STATES = 12;
const MUTANT_BACKUPS = 4;

test('a power cut at any moment of backups and prunes loses nothing that was acknowledged', async (context) => {
  await using disk = await LoggedDisk.start();
  const line = new CommandLine(context);
  const life = new Life(disk, line.folder, join(line.home, '.cache/everfull'));
  const pruned = await liveByCommandLine(line, life);
  assert.ok(pruned.packsDeleted > 0 && pruned.packsCopied > 0, JSON.stringify(pruned));
  const log = disk.readLog();
  const dice = new Dice(SEED);
  const cuts = cutsOf(life, log, STATES, dice);
  const violations: string[] = [];
  await eachOf(cuts, async (cut) => {
    try {
      await afterCut(log, cut, async (root) => {
        const path = join(root, 'repository');
        await life.assertKept(cut.position, path);
        const folder = mkdtempSync(line.path('state-'));
        await life.assertGoesOn(cut.position, path, folder);
      });
    } catch (error) {
      violations.push(`${JSON.stringify(cut)}: ${error instanceof Error ? error.stack : error}`);
    }
  });
  context.diagnostic(
    `seed ${SEED}: ${log.length} writes and flushes, ${life.acknowledgements.length} acknowledgements, ${pruned.packsDeleted} packs deleted and ${pruned.packsCopied} copied; ${cuts.length} states after a power cut, violations ${violations.length}`,
  );
  assert.deepEqual(violations, []);
});

/** Programs that do what the store asks for, or not, and whether a power cut may cost them something. */
const PROGRAMS: readonly (readonly [name: string, calls: FileSystemCalls, harmed: boolean])[] = [
  ['every fsync', systemCalls, false],
  ['no fsync of files', { ...systemCalls, sync: async () => {} }, true],
  ['no fsync of folders', { ...systemCalls, syncFolder: async () => {} }, true],
];

test('a power cut costs a program that leaves out an fsync what was acknowledged', async (context) => {
  for (const [name, calls, isHarmed] of PROGRAMS) {
    await using disk = await LoggedDisk.start();
    const life = new Life(disk, temporaryFolder(context));
    await backUpWith(calls, life);
    const log = disk.readLog();
    let violations = 0;
    await eachOf(cutsOf(life, log, MUTANT_STATES, new Dice(SEED)), async (cut) => {
      const isKept = await afterCut(log, cut, (root) =>
        isFulfilled(life.assertKept(cut.position, join(root, 'repository'))),
      );
      if (!isKept) violations++;
    });
    context.diagnostic(`seed ${SEED}: ${name}: ${MUTANT_STATES} states, violations ${violations}`);
    assert.equal(violations > 0, isHarmed, name);
  }
});

/** Backups, and prunes of what was forgotten, one of them during a backup. What the prunes did. */
async function liveByCommandLine(
  line: CommandLine,
  life: Life,
): Promise<{ packsDeleted: number; packsCopied: number }> {
  writeFileSync(line.path('key'), formatKeyFile(KEY.secret));
  const access = ['-r', life.repository, '--key-file', line.path('key'), '--json'];
  const call = async (...words: string[]) =>
    (await line.ok([...access, ...words])).trim().split('\n').at(-1)!;
  const image = () =>
    life.image(async () => JSON.parse(await call('backup', '--host', 'host', life.source)).snapshot_id);
  const forget = (...numbers: number[]) => life.forget(numbers, (ids) => call('forget', ...ids));
  const pruned = { packsDeleted: 0, packsCopied: 0 };
  const prune = () =>
    life.prune(async () => {
      const { packs_deleted, packs_copied } = JSON.parse(await call('prune', '--max-unused', '0'));
      pruned.packsDeleted += packs_deleted;
      pruned.packsCopied += packs_copied;
    });

  await life.begin(() => call('init'));
  for (let i = 0; i < 3; i++) await image();
  await forget(0);
  await prune();
  await image();
  await forget(1, 2);
  await Promise.all([prune(), image()]);
  await image();
  await forget(3);
  await prune();
  return pruned;
}

/** Backups in this process into a repository that was made durably. */
async function backUpWith(calls: FileSystemCalls, life: Life): Promise<void> {
  const path = byteStringFromText(life.repository);
  await life.begin(async () => newRepository(await openFolderStore(path, { create: true })));
  const repository = await Repository.open(await openFolderStore(path, { calls }), [KEY]);
  for (let i = 0; i < MUTANT_BACKUPS; i++)
    await life.image(async () => (await backUp(contextOf(repository), [life.source])).imageId!);
}

/** Just after each acknowledgement, during the prunes, and anywhere from when the repository was made. */
function cutsOf(life: Life, log: WriteLog, count: number, dice: Dice): Cut[] {
  const { acknowledgements, prunes } = life;
  const seed = () => dice.below(2 ** 32);
  const cuts: Cut[] = acknowledgements.map((position) => ({ position, lost: 1, seed: seed() }));
  while (cuts.length < count) {
    const within = dice.chance(0.5) && prunes.length > 0 ? dice.pick(prunes) : undefined;
    const position = dice.between(within?.from ?? acknowledgements[0]!, within?.to ?? log.length);
    cuts.push({ position, lost: dice.pick([0, 0.3, 0.7, 1]), seed: seed() });
  }
  return cuts;
}

/** Whether a promise is kept by a repository; other failures than the loss of something are those of the test. */
async function isFulfilled(kept: Promise<void>): Promise<boolean> {
  try {
    await kept;
    return true;
  } catch (error) {
    if (isEverfullError(error) || error instanceof assert.AssertionError) return false;
    throw error;
  }
}

function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'everfull-power-cut-'));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { formatKeyFile } from '../src/crypto/mod.ts';
import { root } from '../tools/project.ts';
import { type Attempt, InterruptedBackup } from './testing/interrupted-backup.ts';
import { KEY } from './testing/repository-fixture.ts';

const PROGRAM = join(root, 'test/testing/backup-until-call.ts');
const COMMAND_LINE = join(root, 'src/cli/main.ts');
const NODE = [process.execPath, '--disable-warning=ExperimentalWarning'];

/** A call of the store that changes the file system. */
interface Call {
  readonly kind: string;
  /** Its object or folder. */
  readonly path: string;
}

interface Ended {
  readonly signal: NodeJS.Signals | null;
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe('a backup that is killed', () => {
  let prepared: InterruptedBackup;

  before(async () => {
    prepared = await InterruptedBackup.prepare();
    writeFileSync(join(prepared.folder, 'key'), formatKeyFile(KEY.secret));
  });
  after(() => prepared.remove());

  test('at each call that changes the repository leaves it whole, and the next one goes on', async (context) => {
    const whole = await callsUntil(prepared.attempt(), 0);
    assert.equal(whole.ended.code, 0, whole.ended.stderr);
    const found = whole.calls.length;
    assert.ok(found > 40);
    const committed = whole.calls.findIndex(({ kind, path }) => kind === 'link' && path.endsWith('.end')) + 1;
    const numbers = whole.calls.keys().map((i) => i + 1);
    let hit = 0;
    const killEach = async () => {
      for (const number of numbers) {
        const attempt = prepared.attempt();
        const { ended, calls } = await callsUntil(attempt, number);
        const what = `killed at call ${number} (${whole.calls[number - 1]!.kind})`;
        assert.equal(ended.signal, 'SIGKILL', what);
        assert.deepEqual(
          calls.map(({ kind }) => kind),
          whole.calls.slice(0, number).map(({ kind }) => kind),
          what,
        );
        hit++;
        const images = number > committed ? 2 : 1;
        await prepared.assertWhole(attempt, images, what);
        await prepared.assertGoesOn(attempt, images, what);
      }
    };
    await Promise.all([killEach(), killEach()]);
    assert.equal(hit, found);
    context.diagnostic(`kill points found ${found}, hit ${hit}; images lost 0`);
  });

  test('by strace at the same calls, counted by the kernel, leaves it whole as well', async (context) => {
    const { calls } = await callsUntil(prepared.attempt(), 0);
    const whole = await traced(prepared.attempt());
    assert.equal(whole.ended.code, 0, whole.ended.stderr);
    // What the store says that it calls is what the kernel sees, one for one.
    assert.deepEqual(
      whole.calls.map(({ syscall }) => syscall),
      calls.map(({ kind }) => kind),
    );
  });

  async function callsUntil(attempt: Attempt, last: number): Promise<{ ended: Ended; calls: Call[] }> {
    const ended = await run([
      ...NODE,
      PROGRAM,
      attempt.repository,
      prepared.source,
      attempt.state,
      `${last}`,
    ]);
    const calls = ended.stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => {
        const [, kind, path] = /^\d+ (\w+) (.*)$/.exec(line)!;
        return { kind: kind!, path: path! };
      });
    return { ended, calls };
  }

  async function traced(attempt: Attempt) {
    return { ended: {} as Ended, calls: [] as { syscall: string }[] };
  }
});

function run([program, ...words]: readonly string[]): Promise<Ended> {
  const child = spawn(program!, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('latin1').on('data', (text) => (output.stdout += text));
  child.stderr.setEncoding('latin1').on('data', (text) => (output.stderr += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, ...output }));
  });
}

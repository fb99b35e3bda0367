import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandFailed, measure } from './measure.ts';

const env = { PATH: process.env.PATH ?? '', NODE: process.execPath };
const MiB = 2 ** 20;

test('memory is summed over all processes below the command', async () => {
  const hold = `const b = Buffer.alloc(${64 * MiB}, 1); setTimeout(() => process.exit(b[0] - 1), 400)`;
  const run = await measure({ argv: ['sh', '-c', `"$NODE" -e '${hold}' & "$NODE" -e '${hold}'; wait`], env });
  assert.ok(run.peakBytes >= 128 * MiB, `peak ${run.peakBytes}`);
});

test('CPU time includes that of processes that the command waited for', async () => {
  const burn = 'while (process.cpuUsage().user < 100_000);';
  const run = await measure({ argv: ['sh', '-c', `"$NODE" -e '${burn}'; true`], env });
  assert.ok(run.cpuMs >= 90, `CPU ${run.cpuMs} ms`);
});

test('both outputs are returned apart', async () => {
  const run = await measure({ argv: ['sh', '-c', 'echo out; echo err >&2; pwd'], env, cwd: '/' });
  assert.equal(run.stdout.toString(), 'out\n/\n');
  assert.equal(run.stderr, 'err\n');
});

test('a command that ends badly, by a signal, or does not start is an error that quotes it', async () => {
  const failing = (argv: string[], message: RegExp) =>
    assert.rejects(
      measure({ argv, env }),
      (error: Error) => error instanceof CommandFailed && message.test(error.message),
    );
  await failing(['sh', '-c', 'echo why >&2; exit 3'], /"sh -c .*": exit code 3: why/);
  await failing(['sh', '-c', 'kill -9 $$'], /signal SIGKILL/);
  await failing(['/nonexistent/program'], /ENOENT/);
});

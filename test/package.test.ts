import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { buildPackage } from '../tools/package.ts';
import { root } from '../tools/project.ts';

const folder = mkdtempSync(join(tmpdir(), 'everfull-package-'));
const home = join(folder, 'home');
const path = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`;

function everfull(...parameters: string[]): string {
  return execFileSync(join(folder, 'installed/node_modules/.bin/everfull'), parameters, {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: path, HOME: home, EVERFULL_PASSWORD: 'correct horse' },
  });
}

before(() => {
  mkdirSync(home);
  mkdirSync(join(folder, 'installed'));
  const tarball = buildPackage(join(folder, 'built'));
  execFileSync(
    'npm',
    [
      'install',
      '--prefix',
      join(folder, 'installed'),
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      tarball,
    ],
    { cwd: folder, stdio: ['ignore', 2, 2], env: { ...process.env, PATH: path } },
  );
});

after(() => rmSync(folder, { recursive: true }));

test('the installed package tells its version', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  assert.match(everfull('--version'), new RegExp(`^everfull ${version.replaceAll('.', '\\.')}\\b`));
});

test('the package brings no Node, no tests and no TypeScript', () => {
  const installed = join(folder, 'installed/node_modules');
  assert.deepEqual(
    readdirSync(installed).filter((name) => name.startsWith('node-')),
    [],
  );
  const files = readdirSync(join(installed, 'everfull'), { recursive: true, encoding: 'utf8' });
  assert.ok(files.includes('dist/cli/main.js'));
  assert.deepEqual(
    files.filter((name) => /\.test\.js$|\.ts$|\/testing\//.test(name)),
    [],
  );
});

test('the installed package backs a tree up and restores it', () => {
  const tree = join(folder, 'tree');
  const repository = join(folder, 'repository');
  const target = join(folder, 'target');
  mkdirSync(join(tree, 'below'), { recursive: true });
  const contents = {
    'one.txt': 'one\n',
    'below/large.bin': 'many bytes '.repeat(400_000),
    'below/empty': '',
  };
  for (const [name, text] of Object.entries(contents)) writeFileSync(join(tree, name), text);

  everfull('-r', repository, 'init');
  everfull('-r', repository, 'backup', tree);
  const images = JSON.parse(everfull('-r', repository, 'images', '--json'));
  assert.equal(images.length, 1);
  assert.deepEqual(images[0].paths, [tree]);

  everfull('-r', repository, 'restore', 'latest', '--target', target);
  for (const [name, text] of Object.entries(contents)) {
    assert.equal(readFileSync(join(target, tree, name), 'utf8'), text);
  }
});

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { CommandLine, type Ended } from './command-line.ts';

/** Runs the command line on a terminal of its own (script of util-linux); what it showed is `stdout`. */
function onTerminal(line: CommandLine, words: readonly string[], input = ''): Promise<Ended> {
  const command = [...CommandLine.words, ...words]
    .map((word) => `'${word.replaceAll("'", "'\\''")}'`)
    .join(' ');
  return line.spawn(['script', '--quiet', '--return', '--command', command, '/dev/null'], { input });
}

test('init asks for a new password twice, and never shows it', async (context) => {
  const line = new CommandLine(context);
  const made = await onTerminal(line, ['-r', 'repo', 'init'], 'terminal secret\nterminal secret\n');
  assert.equal(made.code, 0, made.stdout);
  assert.match(made.stdout, /new password: [\s\S]*the same again: [\s\S]*made repository/);
  const env = { EVERFULL_PASSWORD: 'terminal secret' };
  await line.ok(['-r', 'repo', 'images'], { env });
  const differing = await onTerminal(line, ['-r', 'other', 'init'], 'one\ntwo\n');
  assert.equal(differing.code, 12);
  assert.equal(existsSync(line.path('other/config')), false);
});

test('a password or recovery code may be typed, and mistyped', async (context) => {
  const line = new CommandLine(context);
  const env = { EVERFULL_PASSWORD: 'right' };
  await line.ok(['-r', 'repo', 'init', '-q'], { env });
  const code = (await line.ok(['-r', 'repo', 'key', 'add', '--recovery'], { env })).trim();
  const typed = await onTerminal(line, ['-r', 'repo', 'images'], 'wrong\nright\n');
  assert.equal(typed.code, 0, typed.stdout);
  assert.match(typed.stdout, /try again[\s\S]*0 images/);
  assert.match((await onTerminal(line, ['-r', 'repo', 'images'], `${code}\n`)).stdout, /0 images/);
  assert.equal((await onTerminal(line, ['-r', 'repo', 'images'], 'a\nb\nc\n')).code, 12);
});

test('the first backup on a terminal shows a recovery code and progress', async (context) => {
  const line = new CommandLine(context);
  mkdirSync(line.path('tree'));
  for (let i = 0; i < 300; i++) writeFileSync(line.path('tree', `f${i}`), Buffer.alloc(20_000, i));
  const { code, stdout } = await onTerminal(line, ['backup', 'tree']);
  assert.equal(code, 0, stdout);
  const [recovery] = /([0-9A-Z]{5}-){8}[0-9A-Z]{5}/.exec(stdout)!;
  assert.doesNotMatch(stdout, /key add --recovery/);
  writeFileSync(line.path('code'), recovery!);
  await line.ok(['images', '--recovery-file', 'code']);
  assert.doesNotMatch((await onTerminal(line, ['backup', 'tree', '-q'])).stdout, /\[0:/);
});

test('a terminal is shown no control characters of names, and no archives', async (context) => {
  const line = new CommandLine(context);
  mkdirSync(line.path('tree'));
  writeFileSync(line.path('tree', 'red\x1b[31m\n'), '');
  await line.ok(['backup', 'tree', '-q']);
  const { stdout } = await onTerminal(line, ['ls', `latest:${line.path('tree')}`]);
  assert.match(stdout, /red\\x1b\[31m\\n/);
  assert.equal((await onTerminal(line, ['dump', 'latest', '--archive', 'tar'])).code, 1);
});

test('no secret of the tests is on disk in the clear', async (context) => {
  const line = new CommandLine(context);
  const env = { EVERFULL_PASSWORD: 'never-written-anywhere' };
  await line.ok(['-r', 'repo', 'init', '-q'], { env });
  for (const name of readdirSync(line.folder, { recursive: true, encoding: 'utf8', withFileTypes: true })) {
    if (!name.isFile()) continue;
    assert.equal(readFileSync(`${name.parentPath}/${name.name}`).includes('never-written'), false);
  }
});

import assert from 'node:assert/strict';
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { CommandLine } from './command-line.ts';

interface Key {
  readonly current: boolean;
  readonly id: string;
  readonly kind: string;
  readonly label: string;
}

const FIRST = { env: { EVERFULL_PASSWORD: 'first' } };

async function repository(context: TestContext): Promise<CommandLine> {
  const line = new CommandLine(context);
  await line.ok(['-r', 'repo', 'init', '-q'], FIRST);
  return line;
}

async function keys(line: CommandLine, words: readonly string[] = [], options = FIRST): Promise<Key[]> {
  return JSON.parse(await line.ok(['-r', 'repo', 'key', 'list', '--json', ...words], options));
}

test('key add adds passwords and key files, each of which opens the repository', async (context) => {
  const line = await repository(context);
  writeFileSync(line.path('second'), 'second\n');
  await line.ok(['-r', 'repo', 'key', 'add', '--label', 'two', '--new-password-file', 'second'], FIRST);
  await line.ok(['-r', 'repo', 'key', 'add', '--new-password-command', 'echo third'], FIRST);
  await line.ok(['-r', 'repo', 'key', 'add', '--new-key-file', 'sub/new.key'], FIRST);
  assert.equal(statSync(line.path('sub/new.key')).mode & 0o777, 0o600);
  for (const [words, label] of [
    [['-p', 'second'], 'two'],
    [['--password-command', 'echo third'], undefined],
    [['--key-file', 'sub/new.key'], undefined],
  ] as const) {
    const current = (await keys(line, words)).filter((key) => key.current);
    assert.equal(current.length, 1);
    if (label !== undefined) assert.equal(current[0]!.label, label);
  }
  await line.fails(
    1,
    ['-r', 'repo', 'key', 'add', '--new-key-file', 'x', '--new-password-file', 'second'],
    FIRST,
  );
  await line.fails(12, ['-r', 'repo', 'key', 'add'], FIRST);
});

test('a recovery code is made once and opens the repository from a file', async (context) => {
  const line = await repository(context);
  const code = await line.ok(['-r', 'repo', 'key', 'add', '--recovery'], FIRST);
  assert.match(code, /^([0-9A-Z]{5}-){8}[0-9A-Z]{5}\n$/);
  writeFileSync(line.path('code'), code.toLowerCase().replaceAll('-', ' '));
  assert.equal(
    (await keys(line, ['--recovery-file', 'code'])).find((key) => key.current)!.kind,
    'recovery_code',
  );
  writeFileSync(line.path('code'), `${code.slice(0, 20)}${code[20] === '7' ? '8' : '7'}${code.slice(21)}`);
  assert.match(
    await line.fails(12, ['-r', 'repo', 'images', '--recovery-file', 'code']),
    /mistake in group 4/,
  );
});

test('the embedded repository opens with a recovery code when its key file is lost', async (context) => {
  const line = new CommandLine(context);
  mkdirSync(line.path('tree'));
  await line.ok(['backup', 'tree', '-q']);
  writeFileSync(line.path('code'), await line.ok(['key', 'add', '--recovery']));
  rmSync(line.path('home/.local/share/everfull/key'));
  await line.fails(12, ['images']);
  assert.match(await line.ok(['images', '--recovery-file', 'code']), /1 image\n/);
});

test('key passwd replaces the key in use, and keeps its label', async (context) => {
  const line = await repository(context);
  const [before] = await keys(line);
  writeFileSync(line.path('new'), 'new');
  await line.ok(['-r', 'repo', 'key', 'passwd', '--new-password-file', 'new'], FIRST);
  await line.fails(12, ['-r', 'repo', 'images'], FIRST);
  const after = await keys(line, ['-p', 'new']);
  assert.deepEqual(
    after.map(({ label, current }) => [label, current]),
    [[before!.label, true]],
  );
});

test('key remove keeps the last key and the one in use', async (context) => {
  const line = await repository(context);
  const [only] = await keys(line);
  assert.match(await line.fails(1, ['-r', 'repo', 'key', 'remove', only!.id], FIRST), /the last one/);
  await line.ok(['-r', 'repo', 'key', 'add', '--new-key-file', 'key'], FIRST);
  assert.match(await line.fails(1, ['-r', 'repo', 'key', 'remove', only!.id], FIRST), /open with it/);
  assert.match(await line.fails(1, ['-r', 'repo', 'key', 'remove', 'zz'], FIRST), /key list/);
  await line.ok(['-r', 'repo', '--key-file', 'key', 'key', 'remove', only!.id.slice(0, 10)]);
  await line.fails(12, ['-r', 'repo', 'images'], FIRST);
});

test('init takes a password and a key file at once, and makes the key file', async (context) => {
  const line = new CommandLine(context);
  const options = { env: { EVERFULL_PASSWORD_FILE: 'ignored-since-flags-beat-it' } };
  const { stderr } = await line.run(
    ['-r', 'a/b/repo', '--key-file', 'key', '--password-command', 'echo x', 'init'],
    options,
  );
  assert.match(stderr, /key file was made/);
  await line.ok(['-r', 'a/b/repo', '--key-file', 'key', 'images']);
  await line.ok(['-r', 'a/b/repo', '--password-command', 'echo x', 'images']);
  await line.fails(1, ['-r', 'a/b/repo', '--key-file', 'key2', 'init']);
  assert.throws(() => statSync(line.path('key2')), { code: 'ENOENT' });
  writeFileSync(line.path('bad-key'), 'everfull-key-1 00 00');
  await line.fails(12, ['-r', 'a/b/repo', '--key-file', 'bad-key', 'images']);
});

test('key rotate keeps the keys whose secrets are given, and removes the others with --yes', async (context) => {
  const line = await repository(context);
  mkdirSync(line.path('tree'));
  await line.ok(['-r', 'repo', 'backup', 'tree', '-q'], FIRST);
  writeFileSync(line.path('second'), 'second\n');
  const second = ['--new-password-file', 'second', '--label', 'two'];
  await line.ok(['-r', 'repo', 'key', 'add', ...second], FIRST);
  assert.match(
    await line.fails(1, ['-r', 'repo', 'key', 'rotate'], FIRST),
    /would be removed: \w{16} \("two"\)/,
  );
  const rotate = ['-r', 'repo', 'key', 'rotate', '--also-password-file', 'second'];
  assert.match(await line.ok(rotate, FIRST), /is now \w{16} {2}two\n(?:.*\n)*sealed 2 objects anew\n$/);
  assert.match(await line.ok(['-r', 'repo', 'images', '-p', 'second']), /1 image\n/);
  assert.match(await line.ok(['-r', 'repo', 'key', 'rotate', '--yes'], FIRST), /removed key \w{16}\n/);
  await line.fails(12, ['-r', 'repo', 'images', '-p', 'second']);
  assert.match(await line.ok(['-r', 'repo', 'check'], FIRST), /no errors were found/);
  assert.equal((await keys(line)).length, 1);
});

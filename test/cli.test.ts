import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { root } from '../tools/project.ts';
import { CommandLine } from './command-line.ts';

function lineWithTree(context: TestContext): CommandLine {
  const line = new CommandLine(context);
  mkdirSync(line.path('tree'));
  writeFileSync(line.path('tree/file'), 'some text\n');
  return line;
}

test('the version is the one of the package, by flag and by verb', async (context) => {
  const line = new CommandLine(context);
  const { version } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'));
  for (const words of [['--version'], ['version'], ['-q', 'version'], ['version', '--no-cache']]) {
    assert.equal(await line.ok(words), `everfull ${version}\n`);
  }
});

test('the first backup without a repository makes one, with a key file of its own', async (context) => {
  const line = lineWithTree(context);
  const { code, stdout, stderr } = await line.run(['backup', 'tree']);
  assert.equal(code, 0);
  assert.match(stdout, /image [0-9a-f]{8} saved/);
  assert.match(stderr, /warning: .* everfull key add --recovery/);
  const everfull = line.path('home/.local/share/everfull');
  assert.equal(statSync(`${everfull}/key`).mode & 0o777, 0o600);
  assert.ok(existsSync(`${everfull}/repository/config`));

  const again = await line.run(['backup', 'tree']);
  assert.equal(again.stderr, '');
  assert.match(await line.ok(['images']), /2 images/);
});

test('two first backups at once both succeed', async (context) => {
  const line = lineWithTree(context);
  const runs = await Promise.all([line.run(['backup', 'tree']), line.run(['backup', 'tree'])]);
  assert.deepEqual(
    runs.map(({ code }) => code),
    [0, 0],
    runs.map(({ stderr }) => stderr).join(),
  );
  assert.match(await line.ok(['images']), /2 images/);
});

test('only a backup makes the embedded repository', async (context) => {
  const line = lineWithTree(context);
  for (const words of [['images'], ['check'], ['stats'], ['key', 'list'], ['backup', '--dry-run', 'tree']]) {
    assert.match(await line.fails(10, words), /there is none\n {2}Check the place/);
  }
  assert.equal(existsSync(line.path('home/.local/share/everfull')), false);
});

test('a backup leaves out what everfull writes itself, and says so', async (context) => {
  const line = lineWithTree(context);
  const { stderr } = await line.run(['backup', 'home', 'tree']);
  for (const own of ['everfull/repository', 'everfull/key', '.cache/everfull']) {
    assert.match(stderr, new RegExp(`Left out ".*${own}"`));
  }
  assert.doesNotMatch(await line.ok(['ls', '--recursive', 'latest']), /everfull\/(key|repository)/);
});

test('exit codes are those of restic', async (context) => {
  const line = lineWithTree(context);
  const password = { env: { EVERFULL_PASSWORD: 'right', EVERFULL_REPOSITORY: 'repo' } };
  await line.ok(['init', '-q'], password);
  await line.fails(1, ['init'], password);
  await line.fails(12, ['images'], { env: { ...password.env, EVERFULL_PASSWORD: 'wrong' } });
  await line.fails(12, ['images'], { env: { EVERFULL_REPOSITORY: 'repo' } });
  await line.fails(10, ['images'], { env: { ...password.env, EVERFULL_REPOSITORY: 'none' } });
  await line.fails(10, ['images'], { env: { ...password.env, EVERFULL_REPOSITORY: 'tree' } });
  assert.match(await line.fails(3, ['backup', 'tree', 'not-there'], password), /not-there/);
  await line.fails(1, ['backup', 'not-there'], password);
  await line.fails(1, ['restore', 'latest', '--target', 'tree/file'], password);
  await line.fails(1, ['restore', 'nope', '--target', 'out'], password);
  await line.fails(1, ['dump', `latest:${line.path('none')}`], password);
  assert.equal(await line.ok(['check', '-q'], password), '');
});

test('the parser says what is wrong, what may have been meant, and where help is', async (context) => {
  const line = new CommandLine(context);
  assert.match(
    await line.fails(1, ['imags']),
    /unknown command 'imags'\n {2}\(Did you mean images\?\)\n {2}See: everfull --help/,
  );
  assert.match(
    await line.fails(1, ['backup', '--exclud', 'x']),
    /unknown option '--exclud'\n.*--exclude.*\n {2}See: everfull backup --help/,
  );
  await line.fails(1, ['restore', 'latest']);
  await line.fails(1, ['backup']);
  await line.fails(1, ['backup', '']);
  await line.fails(1, ['backup', '--read-concurrency', '0', 'x']);
  await line.fails(1, ['--compression', 'lz4', 'images']);
  await line.fails(1, ['images', '--before', 'yesterday-ish']);
  await line.fails(1, ['-r', 's3:bucket', 'images']);
  assert.match(await line.fails(1, []), /Usage: everfull/);
});

test('every verb has help with examples, and its aliases', async (context) => {
  const line = new CommandLine(context);
  const verbs = [...(await line.ok(['--help'])).matchAll(/^ {2}([a-z]+)(?:\|[a-z]+)* {2,}\S/gm)].map(
    ([, name]) => name!,
  );
  assert.ok(verbs.length > 12, verbs.join());
  for (const verb of verbs) {
    const help = await line.ok(['help', verb]);
    assert.match(help, /Examples:\n {2}\$ /, verb);
    assert.match(help, /--password-file/, verb);
  }
  for (const alias of ['snapshots', 'list', 'create', 'extract', 'cat']) {
    assert.match(await line.ok([alias, '--help']), new RegExp(`Also called .*${alias}`));
  }
});

test('global flags stand before the verb or after it, and beat the environment', async (context) => {
  const line = lineWithTree(context);
  const env = { EVERFULL_REPOSITORY: 'not-this', EVERFULL_PASSWORD: 'not-this' };
  writeFileSync(line.path('password'), 'secret\n');
  await line.ok(['-r', 'repo', '--password-file', 'password', 'init', '-q'], { env });
  await line.ok(['backup', '-nv', 'tree', '-r', 'repo', '-p', 'password'], { env });
  await line.ok(['backup', 'tree', '-r', 'repo', '-p', 'password', '-q'], { env });
  assert.match(
    await line.ok(['images', '-r', 'repo', '--password-command', 'echo secret'], { env }),
    /1 image\n/,
  );
  writeFileSync(line.path('place'), 'repo\n');
  const files = { EVERFULL_REPOSITORY_FILE: 'place', EVERFULL_PASSWORD_FILE: 'password' };
  assert.match(await line.ok(['images'], { env: files }), /1 image\n/);
  const command = { EVERFULL_REPOSITORY: 'repo', EVERFULL_PASSWORD_COMMAND: 'cat password' };
  assert.match(await line.ok(['images'], { env: command }), /1 image\n/);
  assert.match(
    await line.fails(12, ['images'], { env: { ...command, EVERFULL_PASSWORD_COMMAND: 'exit 3' } }),
    /ended with 3/,
  );
});

test('caches lie where they should, and nowhere with --no-cache', async (context) => {
  const line = lineWithTree(context);
  await line.ok(['backup', 'tree', '-q', '--no-cache']);
  assert.equal(existsSync(line.path('home/.cache/everfull/CACHEDIR.TAG')), false);
  await line.ok(['backup', 'tree', '-q'], { env: { EVERFULL_CACHE_DIR: line.path('caches') } });
  assert.equal(statSync(line.path('caches')).mode & 0o77, 0);
  const [{ repository_id: id }] = JSON.parse(await line.ok(['cache', '--json', '--cache-dir', 'caches']));
  assert.equal(statSync(line.path('caches', id)).mode & 0o777, 0o700);
  await line.ok(['cache', '--remove', id.slice(0, 6), '--cache-dir', 'caches']);
  assert.equal(existsSync(line.path('caches', id)), false);
});

test('paths are printed byte by byte, and names that are not UTF-8 can be given', async (context) => {
  const line = lineWithTree(context);
  const odd = Buffer.from(`${line.path('tree')}/\xff\xfe`, 'latin1');
  writeFileSync(odd, 'odd bytes');
  await line.ok(['backup', 'tree', '-q']);
  assert.ok((await line.ok(['ls', `latest:${line.path('tree')}`])).includes('/\xff\xfe\n'));
  const shell = `exec "$@" "latest:$PWD/tree/$(printf '\\377\\376')"`;
  const { stdout } = await line.spawn(['sh', '-c', shell, 'sh', ...CommandLine.words, 'dump']);
  assert.equal(stdout, 'odd bytes');
});

test('a range of a file is what lies from A up to B', async (context) => {
  const line = lineWithTree(context);
  await line.ok(['backup', 'tree', '-q']);
  const file = `latest:${line.path('tree/file')}`;
  assert.equal(await line.ok(['dump', '--range', '5-9', file]), 'text');
  assert.equal(await line.ok(['dump', '--range', '5-', file]), 'text\n');
  assert.equal(await line.ok(['dump', '--range', '5-5', file]), '');
  await line.fails(1, ['dump', '--range', '9-5', file]);
  await line.fails(1, ['dump', '--range', '0-1', '--archive', 'tar', file]);
});

test('lists of files are read, from standard input too', async (context) => {
  const line = lineWithTree(context);
  writeFileSync(line.path('tree/two'), '2');
  symlinkSync('file', line.path('tree/link'));
  const input = `${line.path('tree/file')}\0${line.path('tree/link')}\0`;
  await line.ok(['backup', '-q', '--files-from-raw', '-'], { input });
  const [image] = JSON.parse(await line.ok(['images', '--json']));
  assert.deepEqual(image.paths, [line.path('tree/file'), line.path('tree/link')]);
  await line.fails(1, ['backup', '--files-from', 'none']);
});

test('a reader that has seen enough ends a listing quietly', async (context) => {
  const line = lineWithTree(context);
  for (let i = 0; i < 2000; i++) writeFileSync(line.path('tree', `${'x'.repeat(100)}${i}`), '');
  await line.ok(['backup', 'tree', '-q']);
  const shell = '"$@" | head -n 1';
  const { stdout, stderr } = await line.spawn([
    'sh',
    '-c',
    shell,
    'sh',
    ...CommandLine.words,
    'ls',
    '--recursive',
    'latest',
  ]);
  assert.equal(stdout, '/\n');
  assert.equal(stderr, '');
});

test('an interrupted backup ends with 130 and commits nothing, and the next one goes on', async (context) => {
  const line = lineWithTree(context);
  for (let i = 0; i < 1500; i++) writeFileSync(line.path('tree', `${'x'.repeat(100)}${i}`), String(i));
  // Comes last, and takes a while.
  mkdirSync(line.path('tree/z'));
  writeFileSync(line.path('tree/z/long'), Buffer.alloc(200 * 2 ** 20, 'some text'));
  const interrupted = await line.run(['backup', 'tree', '-vv'], {
    meanwhile: (child) => child.stdout!.once('data', () => child.kill('SIGINT')),
  });
  assert.equal(interrupted.code, 130, interrupted.stderr);
  assert.doesNotMatch(interrupted.stderr, /^ {4}at /m);
  assert.match(await line.ok(['images']), /^0 images/m);
  await line.ok(['backup', 'tree', '-q']);
  await line.ok(['check', '-q']);
});

test('a command that fails commits nothing', async (context) => {
  const line = lineWithTree(context);
  const backup = ['backup', '--stdin-from-command', '--stdin-filename', 'out.txt', '--', 'sh', '-c'];
  assert.match(await line.fails(1, [...backup, 'echo some; exit 5']), /ended with 5/);
  await line.fails(1, ['backup', '--stdin-from-command', '--', line.path('no-such-program')]);
  assert.match(await line.ok(['images']), /^0 images/m);
  await line.ok([...backup, 'echo all']);
  assert.equal(await line.ok(['dump', 'latest:/out.txt']), 'all\n');
  await line.ok(['backup', '--stdin', '-q'], { input: 'piped' });
  assert.equal(await line.ok(['dump', 'latest:/stdin']), 'piped');
});

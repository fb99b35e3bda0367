import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { root } from '../tools/project.ts';
import { CommandLine } from './command-line.ts';
import { type Schema, schemaErrors } from './json-schema.ts';

const SCHEMAS = join(root, 'docs/json');

function schemaOf(name: string): Schema {
  return JSON.parse(readFileSync(join(SCHEMAS, `${name}.json`), 'utf8'));
}

/** Every line of `text` fits the schema; how many messages of each type there were. */
function assertLines(text: string, name: string): Record<string, number> {
  const schema = schemaOf(name);
  const counts: Record<string, number> = {};
  for (const line of Buffer.from(text, 'latin1').toString('utf8').split('\n').filter(Boolean)) {
    const value = JSON.parse(line);
    assert.deepEqual(schemaErrors(value, schema), [], line);
    const type = value.message_type ?? 'none';
    counts[type] = (counts[type] ?? 0) + 1;
  }
  return counts;
}

function assertDocument(text: string, name: string): void {
  assert.deepEqual(schemaErrors(JSON.parse(text), schemaOf(name)), []);
}

async function repositoryWithTwoImages(context: TestContext): Promise<CommandLine> {
  const line = new CommandLine(context);
  mkdirSync(line.path('tree/sub'), { recursive: true });
  writeFileSync(line.path('tree/file'), 'x'.repeat(300));
  writeFileSync(Buffer.from(`${line.path('tree')}/\xff\n`, 'latin1'), 'odd');
  symlinkSync('file', line.path('tree/link'));
  await line.ok(['backup', 'tree', '--tag', 'one,two', '--exclude', '*.tmp', '-q']);
  writeFileSync(line.path('tree/file'), 'y'.repeat(400));
  writeFileSync(line.path('tree/sub/new'), 'new');
  await line.ok(['backup', 'tree', '-q']);
  return line;
}

test('every verb prints JSON that its schema describes', async (context) => {
  const line = await repositoryWithTwoImages(context);
  const file = line.path('tree/file');
  const tested = new Set<string>(['messages']);
  const lines = (text: string, name: string) => {
    tested.add(name);
    return assertLines(text, name);
  };
  const document = (text: string, name: string) => {
    tested.add(name);
    assertDocument(text, name);
  };

  lines(await line.ok(['-r', 'other', '--json', 'init'], { env: { EVERFULL_PASSWORD: 'x' } }), 'init');
  assert.deepEqual(lines(await line.ok(['backup', 'tree', '--json', '-vv']), 'backup').summary, 1);
  lines(await line.ok(['backup', 'tree', '--json', '--dry-run']), 'backup');
  lines(await line.ok(['backup', 'tree', '--json', '--skip-if-unchanged']), 'backup');
  document(await line.ok(['images', '--json']), 'images');
  const listed = lines(await line.ok(['ls', '--json', '--recursive', 'latest']), 'ls');
  assert.equal(listed.snapshot, 1);
  document(await line.ok(['find', '--json', '*']), 'find');
  document(await line.ok(['find', '--json', 'nothing-like-this']), 'find');
  assert.equal(
    lines(await line.ok(['diff', '--json', '--metadata', 'latest~2', 'latest']), 'diff').statistics,
    1,
  );
  lines((await line.run(['dump', '--json', '--range', '1-5', `latest:${file}`])).stderr, 'dump');
  lines(await line.ok(['map', '--json', `latest:${file}`, '--against', 'latest~2']), 'map');
  assert.equal(
    lines(await line.ok(['restore', '--json', '-vv', 'latest', '--target', 'out', '--verify']), 'restore')
      .summary,
    1,
  );
  assert.equal(lines(await line.ok(['check', '--json', '--read-data']), 'check').summary, 1);
  const exported = ['export', '--json', 'latest', '--base', 'latest~1', '-o', 'stream'];
  assert.equal(lines(await line.ok(exported), 'export').summary, 1);
  assert.equal(lines((await line.run(['export', '--json', 'latest'])).stderr, 'export').summary, 1);
  assert.equal(lines(await line.ok(['import', '--json', 'stream']), 'import').summary, 1);
  assert.equal(lines(await line.ok(['verify', '--json', '--budget', '1G']), 'verify').summary, 1);
  for (const what of ['index', 'packs', 'images'])
    assert.equal(lines(await line.ok(['repair', what, '--json']), 'repair').summary, 1);
  lines(await line.ok(['tracklog', '--json', 'tree']), 'tracklog');
  document(await line.ok(['stats', '--json']), 'stats');
  assert.equal(lines(await line.ok(['tag', '--add', 'x', 'latest', '--json']), 'tag').changed, 1);
  for (const flags of [['--dry-run'], []])
    lines(await line.ok(['rewrite', '--exclude', 'link', '--json', 'latest', ...flags]), 'rewrite');
  const embedded = 'home/.local/share/everfull';
  const from = ['--from', `${embedded}/repository`, '--from-key-file', `${embedded}/key`];
  for (const word of ['copied', 'skipped'] as const) {
    const env = { EVERFULL_PASSWORD: 'x' };
    const copied = lines(
      await line.ok(['-r', 'other', 'copy', '--json', ...from, 'latest'], { env }),
      'copy',
    );
    assert.equal(copied[word], 1);
  }
  document(await line.ok(['hold', 'latest~1', '--until', '2100-01-01', '--note', 'x', '--json']), 'hold');
  document(await line.ok(['hold', 'latest', '--json']), 'hold');
  document(await line.ok(['images', '--json']), 'images');
  document(await line.ok(['hold', '--release', 'latest', '--json']), 'hold');
  document(await line.ok(['lock', '--dataset', 'latest', '--for', '1d', '--json']), 'lock');
  document(await line.ok(['hold', '--json']), 'hold');
  document(await line.ok(['forget', '--keep-last', '1', '--json']), 'forget');
  assert.equal(lines(await line.ok(['prune', '--json', '--dry-run']), 'prune').summary, 1);
  assert.equal(lines(await line.ok(['prune', '--json']), 'prune').summary, 1);
  document(await line.ok(['key', 'list', '--json']), 'key-list');
  lines(await line.ok(['key', 'add', '--recovery', '--json']), 'key');
  const added = await line.ok(['key', 'add', '--new-key-file', 'key2', '--json']);
  lines(added, 'key');
  lines(await line.ok(['key', 'remove', JSON.parse(added).id, '--json']), 'key');
  lines(await line.ok(['key', 'rotate', '--yes', '--json']), 'key');
  document(await line.ok(['cache', '--json']), 'cache');
  document(await line.ok(['cache', '--cleanup', '--json']), 'cache');
  document(await line.ok(['version', '--json']), 'version');

  const documented = readdirSync(SCHEMAS).map((name) => name.replace('.json', ''));
  assert.deepEqual(
    documented.filter((name) => !tested.has(name)),
    [],
  );
});

test('errors and the end of a failed run are JSON too', async (context) => {
  const line = new CommandLine(context);
  const missing = await line.fails(10, ['--json', 'images']);
  assert.deepEqual(assertLines(missing, 'messages'), { exit_error: 1 });
  assert.equal(JSON.parse(missing).code, 10);
  assert.deepEqual(assertLines(await line.fails(1, ['--json', 'ls']), 'messages'), { exit_error: 1 });
  mkdirSync(line.path('there'));
  const partly = await line.fails(3, ['--json', 'backup', 'there', 'not-there']);
  const counts = assertLines(partly, 'messages');
  assert.deepEqual([counts.error, counts.exit_error], [1, 1]);
  assert.equal(JSON.parse(partly.trim().split('\n').at(-1)!).code, 3);
});

test('check names damage in JSON on standard error', async (context) => {
  const line = await repositoryWithTwoImages(context);
  const packs = line.path('home/.local/share/everfull/repository/packs');
  const [pack] = readdirSync(packs, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.includes('/'),
  );
  const bytes = readFileSync(join(packs, pack!));
  bytes[100]! ^= 1;
  writeFileSync(join(packs, pack!), bytes);
  const { code, stdout, stderr } = await line.run(['check', '--read-data', '--json']);
  assert.equal(code, 1);
  const [summary] = stdout.trim().split('\n').slice(-1);
  assert.equal(JSON.parse(summary!).num_errors, 1);
  assert.deepEqual(JSON.parse(summary!).broken_packs, [pack!.split('/')[1]]);
  assertLines(stdout, 'check');
  const findings = stderr.trim().split('\n');
  assert.equal(JSON.parse(findings.pop()!).message_type, 'exit_error');
  for (const finding of findings) assertLines(finding, 'check');
});

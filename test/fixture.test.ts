import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../tools/project.ts';
import { CommandLine } from './command-line.ts';
import { linesOf } from './testing/fixture.ts';

const FIXTURES = join(root, 'test/fixtures');

interface Expected {
  readonly source: string;
  /** By image id, {@link linesOf} what was backed up. */
  readonly images: Readonly<Record<string, readonly string[]>>;
}

for (const name of readdirSync(FIXTURES)) {
  test(`${name}, which an earlier version wrote, opens with each of its keys, and every image restores exactly`, async (context) => {
    const line = new CommandLine(context);
    cpSync(join(FIXTURES, name), line.path('fixture'), { recursive: true });
    const secrets = JSON.parse(readFileSync(line.path('fixture', 'secrets.json'), 'utf8')) as Record<
      string,
      string
    >;
    for (const [kind, secret] of Object.entries(secrets)) writeFileSync(line.path(kind), secret);
    const repository = ['-r', line.path('fixture', 'repository')];
    const keys = [
      ['--password-file', line.path('password')],
      ['--key-file', line.path('fixture', 'key-file')],
      ['--recovery-file', line.path('recovery')],
    ];
    for (const key of keys) await line.ok([...repository, ...key, 'key', 'list']);
    const access = [...repository, ...keys[1]!];
    const { source, images } = JSON.parse(
      readFileSync(line.path('fixture', 'expected.json'), 'utf8'),
    ) as Expected;
    for (const [image, lines] of Object.entries(images)) {
      const target = line.path(`restored ${image}`);
      await line.ok([...access, 'restore', `${image}:${source}`, '--target', target]);
      assert.deepEqual(
        linesOf(target).filter((entry) => !entry.startsWith('"" ')),
        lines.filter((entry) => !entry.startsWith('"" ')),
      );
    }
    await line.ok([...access, 'check', '--read-data']);
    await line.ok([...repository, 'verify']);
    // The version at hand goes on with it.
    await line.ok([...access, 'backup', '--host', 'fixture', line.path('fixture', 'expected.json')]);
    await line.ok([...repository, 'prune', '--max-unused', '0']);
    await line.ok([...access, 'check', '--read-data']);
  });
}

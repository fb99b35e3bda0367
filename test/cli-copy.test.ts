import assert from 'node:assert/strict';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { CommandLine } from './command-line.ts';
import { treeOf } from './testing/repository-fixture.ts';

const FROM = { EVERFULL_REPOSITORY: 'from', EVERFULL_PASSWORD: 'one', EVERFULL_HOST: 'host' };
const TO = {
  EVERFULL_REPOSITORY: 'to',
  EVERFULL_PASSWORD: 'two',
  EVERFULL_HOST: 'host',
  EVERFULL_FROM_REPOSITORY: 'from',
  EVERFULL_FROM_PASSWORD: 'one',
};

/** A repository with two images of a tree, and an empty one with another password. */
async function scene(context: TestContext): Promise<CommandLine> {
  const line = new CommandLine(context);
  await line.ok(['init', '-q'], { env: FROM });
  await line.ok(['init', '-q'], { env: TO });
  mkdirSync(line.path('tree/sub'), { recursive: true });
  writeFileSync(line.path('tree/file'), 'file');
  writeFileSync(line.path('tree/sub/long'), Buffer.alloc(3_000_000, 'some words of a long file; '));
  linkSync(line.path('tree/sub/long'), line.path('tree/sub/longer'));
  await line.ok(['backup', 'tree', '-q', '--tag', 'first'], { env: FROM });
  writeFileSync(line.path('tree/sub/new.iso'), 'new');
  await line.ok(['backup', 'tree', '-q'], { env: FROM });
  return line;
}

test('what was copied is restored as it was, and a backup of the same tree goes on from it', async (context) => {
  const line = await scene(context);
  assert.match(await line.ok(['copy'], { env: TO }), /^2 copied, 0 were there; /m);
  assert.match(await line.ok(['copy'], { env: TO }), /^0 copied, 2 were there; 0 B new/m);
  assert.match(await line.ok(['check', '--read-data'], { env: TO }), /no errors were found/);
  await line.ok(['restore', 'latest', '--target', 'out', '-q'], { env: TO });
  const names = (folder: string) =>
    [...treeOf(folder)].map(([path, { content }]) => `${path} ${content}`).sort();
  assert.deepEqual(names(line.path('out', line.path('tree'))), names(line.path('tree')));
  const unchanged = await line.ok(['backup', 'tree', '--json', '--skip-if-unchanged'], { env: TO });
  const summary = JSON.parse(unchanged.trim().split('\n').at(-1)!);
  assert.deepEqual([summary.snapshot_id, summary.data_blobs], [undefined, 0]);
});

test('flags name the repository to copy from, and which images', async (context) => {
  const line = await scene(context);
  const env = { EVERFULL_REPOSITORY: 'to', EVERFULL_PASSWORD: 'two' };
  writeFileSync(line.path('password'), 'one\n');
  const flags = ['--from-repo', 'from', '--from-password-file', 'password'];
  assert.match(await line.ok(['copy', ...flags, '--tag', 'first'], { env }), /^1 copied/m);
  assert.match(await line.ok(['images'], { env }), /\b1 image\n/);
  await line.fails(12, ['copy', '--from', 'from'], { env });
  await line.fails(10, ['copy', '--from', 'nowhere', '--from-password-file', 'password'], { env });
  assert.match(await line.fails(1, ['copy', ...flags, '--host', 'nobody'], { env }), /none fits/);
  assert.match(await line.fails(1, ['copy'], { env }), /none is named/);
  const same = { ...env, EVERFULL_FROM_REPOSITORY: 'to', EVERFULL_FROM_PASSWORD: 'two' };
  assert.match(await line.fails(1, ['copy'], { env: same }), /the same repository/);
});

test('tags are changed and files left out, and the next backup has its track log all the same', async (context) => {
  const line = await scene(context);
  assert.match(await line.ok(['tag', '--add', 'kept', 'latest'], { env: FROM }), /of 1 image\n$/);
  const again = await line.run(['backup', 'tree', '--skip-if-unchanged'], { env: FROM });
  assert.equal(again.code, 0);
  assert.doesNotMatch(again.stderr, /no track log/);
  assert.match(
    await line.ok(['rewrite', '-e', '*.iso', '-n', '-v'], { env: FROM }),
    /without .*new\.iso\n(?:.*\n)*would rewrite 1 of 2/,
  );
  assert.match(await line.ok(['rewrite', '-e', '*.iso'], { env: FROM }), /rewrote 1 of 2 images\n$/);
  const images = JSON.parse(await line.ok(['images', '--json'], { env: FROM }));
  assert.deepEqual(
    images.map(({ tags, original }: { tags?: string[]; original?: string }) => [
      tags,
      original !== undefined,
    ]),
    [
      [['first'], false],
      [['kept'], true],
    ],
  );
  assert.doesNotMatch(await line.ok(['ls', '--recursive', 'latest'], { env: FROM }), /new\.iso/);
  rmSync(line.path('tree/sub/new.iso'));
  await line.ok(['restore', 'latest', '--target', 'out', '-q'], { env: FROM });
  assert.deepEqual(
    readFileSync(line.path('out', line.path('tree/sub/longer'))),
    readFileSync(line.path('tree/sub/long')),
  );
});

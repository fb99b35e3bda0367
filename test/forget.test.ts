import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { CommandLine } from './command-line.ts';

async function repositoryOf(context: TestContext, images: number): Promise<CommandLine> {
  const line = new CommandLine(context);
  mkdirSync(line.path('tree'));
  for (let image = 0; image < images; image++) {
    writeFileSync(line.path('tree/file'), `${image}`);
    await line.ok(['backup', 'tree', '-q', '--tag', `n${image}`]);
  }
  return line;
}

const idsOf = async (line: CommandLine): Promise<string[]> =>
  JSON.parse(await line.ok(['images', '--json'])).map(({ id }: { id: string }) => id.slice(0, 8));

test('forget says why each image stays, and what goes is not listed any more', async (context) => {
  const line = await repositoryOf(context, 4);
  const ids = await idsOf(line);
  assert.match(
    await line.ok(['hold', ids[0]!, '--note', 'for the audit']),
    new RegExp(`^held: image ${ids[0]}`),
  );
  const words = ['forget', '--keep-last', '1', '--keep-tag', 'n1'];
  const dry = await line.ok([...words, '--dry-run']);
  assert.match(dry, /^3 images of host .*, path .*tree stay:$/m);
  assert.match(dry, new RegExp(`^${ids[3]} .* last$`, 'm'));
  assert.match(dry, new RegExp(`^${ids[1]} .* has its tags$`, 'm'));
  assert.match(dry, new RegExp(`^${ids[0]} .* hold$`, 'm'));
  assert.match(dry, /^1 image of host .* goes:$/m);
  assert.match(dry, /^1 image would be forgotten, 3 stay$/m);
  const done = await line.ok([...words, '-c']);
  assert.match(done, new RegExp(`^${ids[2]} .*n2$`, 'm'));
  assert.match(done, /^1 image forgotten, 3 stay$/m);
  assert.deepEqual(await idsOf(line), [ids[0], ids[1], ids[3]]);
  assert.match(await line.ok(['hold']), /for the audit[\s\S]*1 hold, 0 locks/);
  assert.match(await line.fails(1, ['forget', ids[0]!]), /Could not forget image .*: hold\n.*hold --release/);
  await line.ok(['hold', '--release', ids[0]!]);
  await line.ok(['forget', ids[0]!, '-q', '--prune']);
  await line.ok(['lock', '--for', '30d']);
  assert.match(await line.fails(1, ['lock', '--for', '20d']), /is locked until/);
  assert.match(await line.fails(1, ['forget', ids[1]!]), /locked until[\s\S]*nobody can shorten/);
  assert.deepEqual(await idsOf(line), [ids[1], ids[3]]);
  await line.ok(['check', '--read-data']);
});

test('forget refuses what it cannot take for meant', async (context) => {
  const line = await repositoryOf(context, 1);
  assert.match(await line.fails(1, ['forget']), /no image is named, and no --keep-… rule/);
  assert.match(await line.fails(1, ['forget', '--keep-daily', 'x']), /it is no whole number/);
  assert.match(await line.fails(1, ['forget', '--keep-within', '3w']), /length of time/);
  assert.match(
    await line.fails(1, ['forget', '--keep-last', '1', '--group-by', 'hosst']),
    /none of host, paths/,
  );
  assert.match(
    await line.fails(1, ['forget', '--keep-last', '1', '--tag', 'nn']),
    /--tag "nn": nothing is forgotten/,
  );
  assert.match(await line.fails(1, ['hold', '--release']), /no image is named/);
  assert.match(await line.fails(1, ['lock']), /neither --until nor --for/);
});

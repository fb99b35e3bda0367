import assert from 'node:assert/strict';
import { test } from 'node:test';
import { borgTool, command, everfullTool, resticTool } from './tools.ts';

test('images are named from the newest backwards', () => {
  const snapshots = [
    { id: 'middle', time: '2026-01-02T00:00:00Z' },
    { id: 'newest', time: '2026-01-03T00:00:00Z' },
    { id: 'oldest', time: '2026-01-01T00:00:00Z' },
  ];
  assert.equal(resticTool().imageName(JSON.stringify(snapshots), 0), 'newest');
  assert.equal(resticTool().imageName(JSON.stringify(snapshots), 2), 'oldest');
  assert.equal(borgTool().imageName('oldest\nmiddle\nnewest\n', 1), 'middle');
  assert.equal(everfullTool(['everfull']).imageName('', 0), 'latest');
  assert.equal(everfullTool(['everfull']).imageName('', 49), 'latest~49');
});

test('every tool gets the same password, and its caches lie beside the repository', () => {
  const at = { store: '/there/store', home: '/there/home' };
  const commands = [everfullTool(['everfull']), resticTool(), borgTool()].map((tool) =>
    tool.backup(at, '/tree'),
  );
  const passwords = commands.map(
    ({ env }) => env.EVERFULL_PASSWORD ?? env.RESTIC_PASSWORD ?? env.BORG_PASSPHRASE,
  );
  assert.deepEqual(new Set(passwords).size, 1);
  for (const { env } of commands) assert.equal(env.HOME, at.home);
});

test("the user's own settings of the tools do not reach them", () => {
  process.env.RESTIC_COMPRESSION = 'off';
  try {
    assert.equal(command('/home', ['restic'], { RESTIC_PASSWORD: 'x' }).env.RESTIC_COMPRESSION, undefined);
  } finally {
    delete process.env.RESTIC_COMPRESSION;
  }
});

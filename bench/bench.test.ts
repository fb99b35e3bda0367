import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bench, messageOf, stagesOf } from './bench.ts';
import type { Run } from './measure.ts';
import { TINY_SCALE } from './scale.ts';
import { borgTool, everfullTool, resticTool } from './tools.ts';
import type { Workspace } from './workspace.ts';

test('the tools take turns in the opposite order in every other round', async () => {
  const everfull = everfullTool(['everfull']);
  const bench = new Bench({
    scale: { ...TINY_SCALE, rounds: 3 },
    workspace: {} as Workspace,
    tools: [everfull, resticTool(), borgTool()],
    everfull,
    tree: '/nonexistent',
    installed: undefined,
    log: () => {},
  });
  const order: string[] = [];
  const samples = await bench.rounds(
    async (tool, round) => {
      order.push(tool.name);
      return round;
    },
    async (round) => {
      order.push(`round ${round}`);
    },
  );
  assert.deepEqual(order, [
    ...['round 0', 'everfull', 'restic', 'borg'],
    ...['round 1', 'borg', 'restic', 'everfull'],
    ...['round 2', 'everfull', 'restic', 'borg'],
  ]);
  assert.deepEqual(samples, { everfull: [0, 1, 2], restic: [0, 1, 2], borg: [0, 1, 2] });
});

test('a message is found by its type among other lines, the last one of several', () => {
  const stderr = 'a warning\n{"message_type":"status","n":1}\n{"message_type":"status","n":2}\n';
  assert.deepEqual(messageOf<{ n: number }>(stderr, 'status')?.n, 2);
  assert.equal(messageOf(stderr, 'summary'), undefined);
});

test('stage times are medians over the runs, and absent when no run printed any', () => {
  const run = (stages: Record<string, number>) =>
    ({ stderr: `${JSON.stringify({ message_type: 'profile', stages })}\n` }) as Run;
  assert.deepEqual(stagesOf([run({ read: 1, hash: 5 }), run({ read: 3 }), run({ read: 2, hash: 7 })]), {
    stages: { read: 2, hash: 5 },
  });
  assert.equal(stagesOf([{ stderr: '' } as Run]), undefined);
  assert.equal(stagesOf(undefined), undefined);
});

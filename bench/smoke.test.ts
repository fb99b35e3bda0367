import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { randomText } from './content.ts';
import { markdownOf } from './report.ts';
import { ROWS } from './rows/mod.ts';
import { runBench } from './run.ts';
import { TINY_SCALE } from './scale.ts';
import { borgTool, everfullTool, resticTool } from './tools.ts';

const PROGRAM = [join(import.meta.dirname, '../everfull')];

test('every row of the benchmark measures something with everfull, restic and borg as they are', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-smoke-'));
  try {
    const tree = join(folder, 'tree');
    makeTree(tree);
    const work = join(folder, 'work');
    const report = await runBench({
      scale: TINY_SCALE,
      rows: ROWS,
      everfull: everfullTool(PROGRAM),
      others: [resticTool(), borgTool()],
      tree,
      work,
      installed: PROGRAM,
      leftOut: [],
      commandLine: 'npm test',
      log: () => {},
    });
    assert.deepEqual(
      report.rows.filter((row) => row.failure !== undefined).map((row) => `${row.title}: ${row.failure}`),
      [],
    );
    for (const row of report.rows) {
      assert.ok(row.lines.length > 0, row.title);
      for (const line of row.lines)
        assert.ok(Number.isFinite(line.values.everfull), `${row.title}, ${line.label}`);
      assert.ok(
        row.lines.some((line) => line.floors.length > 0),
        `${row.title} has a floor`,
      );
      assert.ok(markdownOf(report, '').includes(row.title));
    }
    assert.deepEqual(Object.keys(report.rows.find((row) => row.row === 'first')!.lines[0]!.values).sort(), [
      'borg',
      'everfull',
      'restic',
    ]);
    assert.deepEqual(readdirSync(work), []);
    assert.equal(readFileSync(join(tree, 'folder-0/file-0')).length, 3000);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

function makeTree(tree: string): void {
  for (let number = 0; number < 40; number++) {
    const folder = join(tree, `folder-${number % 5}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `file-${number}`), randomText(`smoke ${number}`, 0, 3000));
  }
}

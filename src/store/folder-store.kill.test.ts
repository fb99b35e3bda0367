import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { openFolderStore } from './folder-store.ts';
import { contentsOf } from './testing/put-until-killed.ts';

const WRITER = join(import.meta.dirname, 'testing', 'put-until-killed.ts');
const KILLS = 8;
/** Two for each of the three folders, and six for the object. */
const CALLS_OF_FIRST_PUT = 12;

describe('a FolderStore whose process is killed', () => {
  test('at any moment of many puts keeps what it acknowledged and shows nothing by halves', async (t) => {
    const folder = await temporaryFolder(t);
    const acknowledged: string[] = [];
    for (let kill = 0; kill < KILLS; kill += 1) {
      // Uneven, so that kills fall into different calls.
      acknowledged.push(...(await runWriter([folder, `${kill}`, '0'], 3 + ((kill * 7) % 11))));
    }
    assert.ok(acknowledged.length >= KILLS * 3);
    await checkStore(folder, acknowledged);
  });

  test('before each of its calls keeps what it acknowledged and shows nothing by halves', async (t) => {
    for (let at = 1; at <= CALLS_OF_FIRST_PUT + 1; at += 1) {
      const folder = await temporaryFolder(t);
      const acknowledged = await runWriter([folder, '0', `${at}`], Infinity);
      assert.equal(acknowledged.length, at > CALLS_OF_FIRST_PUT ? 1 : 0);
      await checkStore(folder, acknowledged);
    }
  });
});

/** Runs the writer until it killed itself or, after `count` acknowledged puts, is killed; gives their names. */
async function runWriter(writerArguments: readonly string[], count: number): Promise<string[]> {
  const writer = spawn(process.execPath, [WRITER, ...writerArguments], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  writer.stdout.setEncoding('latin1').on('data', (text: string) => {
    output += text;
    if (output.split('\n').length > count) writer.kill('SIGKILL');
  });
  const signal = await new Promise((resolve) => writer.on('close', (_, signal) => resolve(signal)));
  assert.equal(signal, 'SIGKILL');
  return output.split('\n').slice(0, -1);
}

async function checkStore(folder: string, acknowledged: readonly string[]): Promise<void> {
  const store = await openFolderStore(folder);
  const found = new Set<string>();
  for await (const { name } of store.list('')) {
    assert.ok(contentsOf(name).equals(await store.get(name)), name);
    found.add(name);
  }
  for (const name of acknowledged) assert.ok(found.has(name), name);
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'everfull-kill-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

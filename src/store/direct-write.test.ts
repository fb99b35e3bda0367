import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { allocateAligned } from '../os/mod.ts';
import { writeDirectly } from './direct-write.ts';
import { writeDurably } from './durable-write.ts';
import { systemCalls } from './file-system-calls.ts';

const MiB = 1024 * 1024;

function makeFolder(context: TestContext, parent = tmpdir()): string {
  const folder = mkdtempSync(join(parent, 'everfull-direct-'));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

function aligned(length: number): Buffer {
  const bytes = allocateAligned(length);
  randomBytes(length).copy(bytes);
  return bytes;
}

test('parts of any length and place in memory come out as they went in, on a disk and on tmpfs', async (context) => {
  for (const folder of [makeFolder(context), makeFolder(context, '/dev/shm')]) {
    const lists = [
      [aligned(3 * MiB)],
      [aligned(3 * MiB + 1), randomBytes(100)],
      [aligned(5 * MiB - 1), randomBytes(2 * MiB), aligned(MiB)],
      [aligned(2 * MiB + 9).subarray(1), randomBytes(7)],
      [randomBytes(10), aligned(4 * MiB)],
      [aligned(100)],
    ];
    for (const [i, parts] of lists.entries()) {
      const path = join(folder, `${i}`);
      await writeDurably(systemCalls, path, parts);
      assert.ok(readFileSync(path).equals(Buffer.concat(parts)), `${folder} ${i}`);
    }
  }
});

test('whole blocks of long aligned parts go past the cache, at a place that allows it; all else does not', async (context) => {
  const handle = await open(join(makeFolder(context), 'file'), 'w');
  context.after(() => handle.close());
  assert.equal(await writeDirectly(handle, randomBytes(100)), undefined, 'too short');
  assert.equal(await writeDirectly(handle, aligned(2 * MiB + 1).subarray(1)), undefined, 'not at a block');
  const written = await writeDirectly(handle, aligned(2 * MiB + 5));
  assert.ok(written === 2 * MiB || written === undefined, 'undefined where the file system has no O_DIRECT');
  await handle.write('odd');
  const bytes = aligned(2 * MiB);
  const after = await writeDirectly(handle, bytes);
  assert.equal(after, undefined, 'not at a place that is a multiple of a block');
  await handle.write(bytes);
});

test('the next write of the same file goes through the cache again', async (context) => {
  const path = join(makeFolder(context), 'file');
  const handle = await open(path, 'w');
  context.after(() => handle.close());
  const first = aligned(MiB);
  if ((await writeDirectly(handle, first)) === undefined) await handle.write(first);
  await handle.write('five!');
  assert.ok(readFileSync(path).equals(Buffer.concat([first, Buffer.from('five!')])));
});

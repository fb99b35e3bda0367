import { EverfullError } from '../base/mod.ts';
import { EntryType } from '../format/mod.ts';
import { Bounded } from './crew.ts';
import type { Engine } from './engine.ts';
import { isInOneChunk } from './examine.ts';
import { FileListBuilder, FileState } from './file-list.ts';
import type { LongFiles } from './long-files.ts';

import { type WantedFile, wantedOf } from './plan.ts';

const BATCH_FILES = 512;
const BATCH_BYTES = 32 * 1024 * 1024;
const BATCHES_AT_ONCE = 16;

/** Reads back every file that was restored or found right, and names those that differ from the image. */
export async function verifyRestored(engine: Engine, long: LongFiles): Promise<void> {
  const { tally, scope } = engine;
  const start = performance.now();
  const work = new Bounded(BATCHES_AT_ONCE);
  let batch: WantedFile[] = [];
  let bytes = 0;
  const send = async () => {
    const files = batch;
    batch = [];
    bytes = 0;
    if (files.length > 0) await work.start(() => verifyBatch(engine, long, files));
  };
  try {
    for await (const found of scope.found()) {
      tally.check();
      for (const item of found) {
        if (item.type !== EntryType.file || !item.selected || tally.notRestored.has(item.path)) continue;
        const file = wantedOf(item.path, item.place!, item.value);
        batch.push(file);
        bytes += isInOneChunk(file.content) ? file.size : 0;
        if (batch.length >= BATCH_FILES || bytes >= BATCH_BYTES) await send();
      }
    }
    await send();
  } finally {
    await work.done();
  }
  tally.stage('verify', performance.now() - start);
}

async function verifyBatch(engine: Engine, long: LongFiles, files: readonly WantedFile[]): Promise<void> {
  const { tally, crew } = engine;
  tally.check();
  const list = new FileListBuilder();
  for (const { place, value } of files) list.add(place, value, FileState.missing);
  const result = await crew.run({ type: 'verify', files: list.finish() });
  const failures = new Map(result.failures.map((failure) => [failure.index, failure.reason]));
  await Promise.all(
    files.map(async (file, index) => {
      switch (result.states[index]) {
        case FileState.right:
          return tally.verified(file.path, undefined);
        case FileState.replace:
          return tally.verified(file.path, 'its length is another');
        case FileState.failed:
          return tally.verified(file.path, failures.get(index) ?? 'it could not be read');
        default:
          return tally.verified(file.path, await difference(long, file));
      }
    }),
  );
  tally.progress();
}

async function difference(long: LongFiles, file: WantedFile): Promise<string | undefined> {
  try {
    return await long.differenceOf(file);
  } catch (error) {
    if (!(error instanceof EverfullError) || error.code === 'interrupted') throw error;
    return error.message;
  }
}

/** The program of a worker thread: reads, cuts, hashes, compresses and seals. */
import { workerData } from 'node:worker_threads';
import { answerTasks } from '../base/mod.ts';
import { DomainSecrets, digest, Sealer } from '../crypto/mod.ts';
import { FrameKind } from '../format/mod.ts';
import { StatBuffer } from '../os/mod.ts';
import { Cutter } from './cutter.ts';
import { encodeFrameInto } from './frame-codec.ts';
import { readFiles } from './read-files.ts';
import { cutSlab, scanFile } from './scan-file.ts';
import { viewsOf } from './slabs.ts';
import type { SealedChunk, SealTask, Task, WorkerSetup } from './tasks.ts';

const setup = workerData as WorkerSetup;
const { places } = setup;
const slabs = viewsOf(setup);
const secrets = new DomainSecrets(setup.domainSecret);
const sealer = new Sealer(setup.dataKey, setup.dataKeyId);
const cutter = new Cutter(setup.memory);
const stat = new StatBuffer();

/**
 * Frames go where the chunks were, from the end of the slab down: a frame is at most a header and a
 * tag longer than its chunk, and the slack at the end has room for those, so that no frame reaches
 * into a chunk that comes before it.
 */
function seal({ slab, chunks }: SealTask): SealedChunk[] {
  const bytes = slabs[slab];
  const sealed: SealedChunk[] = [];
  let end = bytes.length;
  for (const { at, length, id: known } of chunks.toReversed()) {
    const plain = bytes.subarray(at, at + length);
    const id = known ?? secrets.chunkId(plain);
    const frame = encodeFrameInto(
      (size) => {
        end -= size;
        if (end < at) throw new Error('a frame does not fit in the place of its chunk');
        return bytes.subarray(end, end + size);
      },
      { kind: FrameKind.chunk, id, plain, chunks: [], nodes: [] },
      sealer,
      secrets.secretsId,
      setup.compression,
    );
    sealed.push({ id, at: end, frameLength: frame.length, digest: digest(frame), plainLength: length });
  }
  return sealed.reverse();
}

function run(task: Task): unknown {
  switch (task.type) {
    case 'read':
      return readFiles(task, slabs, secrets, stat);
    case 'scan':
      return scanFile(task, slabs, places, secrets, cutter, stat);
    case 'cut':
      return cutSlab(task, slabs, places, secrets, cutter);
    case 'seal':
      return seal(task);
  }
}

answerTasks(run);

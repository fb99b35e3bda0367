/** The program of a worker thread: reads, cuts, hashes, compresses and seals. */
import { parentPort, workerData } from 'node:worker_threads';
import { DomainSecrets, digest, Sealer } from '../crypto/mod.ts';
import { CHUNK_BYTES_MAX, FrameKind } from '../format/mod.ts';
import { StatBuffer } from '../os/mod.ts';
import { encodeFrame } from './frame-codec.ts';
import { readFiles } from './read-files.ts';
import { cutSlab, scanFile } from './scan-file.ts';
import type { SealResult, SealTask, Task, WorkerSetup } from './tasks.ts';

const setup = workerData as WorkerSetup;
const slabs = setup.slabs.map((buffer) => new Uint8Array(buffer));
const secrets = new DomainSecrets(setup.domainSecret);
const sealer = new Sealer(setup.dataKey, setup.dataKeyId);
const gear = secrets.gearTable();
const stat = new StatBuffer();
const gathered = Buffer.allocUnsafeSlow(CHUNK_BYTES_MAX);

function seal(task: SealTask): SealResult {
  const { parts } = task;
  let plain: Uint8Array;
  if (parts.length === 3) {
    plain = slabs[parts[0]].subarray(parts[1], parts[1] + parts[2]);
  } else {
    let length = 0;
    for (let i = 0; i < parts.length; i += 3) {
      gathered.set(slabs[parts[i]].subarray(parts[i + 1], parts[i + 1] + parts[i + 2]), length);
      length += parts[i + 2];
    }
    plain = gathered.subarray(0, length);
  }
  const id = task.id ?? secrets.chunkId(plain);
  const frame = encodeFrame({ kind: FrameKind.chunk, id, plain, chunks: [], nodes: [] }, sealer, secrets.secretsId, setup.compression);
  return { id, frame, digest: digest(frame), plainLength: plain.length };
}

function run(task: Task): unknown {
  switch (task.type) {
    case 'read': return readFiles(task, slabs, secrets, stat);
    case 'scan': return scanFile(task, slabs, secrets, gear, stat);
    case 'cut': return cutSlab(task, slabs, secrets, gear);
    case 'seal': return seal(task);
  }
}

parentPort!.on('message', ({ number, task }: { number: number; task: Task }) => {
  try {
    const result = run(task);
    const transfer = task.type === 'seal' ? [(result as SealResult).frame.buffer as ArrayBuffer] : [];
    parentPort!.postMessage({ number, result }, transfer);
  } catch (error) {
    parentPort!.postMessage({ number, error });
  }
});

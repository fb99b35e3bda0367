/** The program of a worker thread that checks frames. */
import { parentPort, workerData } from 'node:worker_threads';
import { DomainSecrets } from '../../crypto/mod.ts';
import { checkFrames, type FrameCheckSetup, type FrameRun, sealersOf } from './frame-check.ts';

const setup = workerData as FrameCheckSetup;
const secrets = new DomainSecrets(setup.domainSecret);
const sealers = sealersOf(setup.dataKeys);

parentPort!.on('message', ({ number, task }: { number: number; task: FrameRun }) => {
  try {
    parentPort!.postMessage({ number, result: checkFrames(task, secrets, sealers) });
  } catch (error) {
    parentPort!.postMessage({ number, error });
  }
});

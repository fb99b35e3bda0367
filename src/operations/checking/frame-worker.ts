/** The program of a worker thread that checks frames. */
import { workerData } from 'node:worker_threads';
import { answerTasks } from '../../base/mod.ts';
import { DomainSecrets } from '../../crypto/mod.ts';
import { checkFrames, type FrameCheckSetup, type FrameRun, sealersOf } from './frame-check.ts';

const setup = workerData as FrameCheckSetup;
const secrets = new DomainSecrets(setup.domainSecret);
const sealers = sealersOf(setup.dataKeys);

answerTasks((task: FrameRun) => checkFrames(task, secrets, sealers));

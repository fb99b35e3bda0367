/** The program of a thread that walks ahead of those who work on what it finds. */
import { parentPort, workerData } from 'node:worker_threads';
import { StatBuffer } from '../os/mod.ts';
import { Selection } from './select/mod.ts';
import { walk } from './walk.ts';
import { Control, END, type WalkSetup } from './walk-ahead.ts';
import { WalkedWriter } from './walked-batch.ts';

const { paths, selection, leaveOut, control } = workerData as WalkSetup;
const port = parentPort!;

/** Thrown to leave the walk when nobody wants more of it. */
class Stopped extends Error {}

const writer = new WalkedWriter((batch) => {
  // Waits until there is room.
  while (Atomics.load(control, Control.room) <= 0) Atomics.wait(control, Control.room, 0);
  if (Atomics.load(control, Control.stop) !== 0) throw new Stopped();
  Atomics.sub(control, Control.room, 1);
  port.postMessage(batch, [batch.buffer as ArrayBuffer]);
});

const stat = new StatBuffer();
const isThere = (path: string) => {
  try {
    return stat.path(path);
  } catch {
    // Who asked for the path says what is wrong with it.
    return false;
  }
};

try {
  const options = {
    paths: paths.filter(isThere),
    selection: new Selection(selection),
    leaveOut,
    failed: writer.failed.bind(writer),
    leftOut: writer.leftOut.bind(writer),
  };
  for (const entry of walk(options)) writer.entry(entry);
  writer.flush();
  port.postMessage(END);
} catch (error) {
  if (!(error instanceof Stopped)) throw error;
}

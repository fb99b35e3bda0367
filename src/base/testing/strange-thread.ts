/** A thread that does what its task says: to answer, to fail in some way, or to die. */

import { EverfullError } from '../errors.ts';
import { answerTasks } from '../worker-pool.ts';

export type StrangeTask =
  | { readonly do: 'answer' | 'hold'; readonly value: number }
  | { readonly do: 'operating' | 'errno' | 'function' | 'exit' | 'die' };

const waiting = new Int32Array(new SharedArrayBuffer(4));

answerTasks((task: StrangeTask) => {
  switch (task.do) {
    case 'answer':
      return task.value;
    case 'hold':
      Atomics.wait(waiting, 0, 0, task.value);
      return task.value;
    case 'operating':
      throw new EverfullError('damaged', 'Could not open it: it is broken', {
        context: { at: 7 },
        advice: 'Mend it.',
        cause: new EverfullError('io', 'the disk said no'),
      });
    case 'errno':
      throw Object.assign(new Error('ENOENT: it is gone'), { code: 'ENOENT' });
    case 'function':
      return () => 'what cannot travel';
    case 'exit':
      return process.exit(3);
    case 'die':
      setTimeout(() => {
        throw new Error('out of the blue');
      }, 20);
      return 'soon';
  }
});

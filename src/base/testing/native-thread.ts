/** A thread that is busy with native code while it loads: it doubles numbers, and refuses those below 0. */
import koffi from 'koffi';
import { answerTasks } from '../worker-pool.ts';

const library = koffi.load(null);
for (let i = 0; i < 500; i++) library.func('abs', 'int', ['int']);
const abs = library.func('abs', 'int', ['int']) as unknown as (value: number) => number;

answerTasks((value: number) => {
  if (abs(value) !== value) throw new RangeError(`${value} is below 0`);
  return value * 2;
});

/** The program of a worker thread: opens chunks, compares and writes files, sets attributes. */
import { workerData } from 'node:worker_threads';
import { answerTasks } from '../base/mod.ts';
import { examineFiles, verifyFiles } from './examine.ts';
import { failureOf } from './failure.ts';
import { beginLong, comparePieces, finishLong, writeSlices } from './long-tasks.ts';
import { makeSpecials } from './specials.ts';
import type { Task, WorkerSetup } from './tasks.ts';
import { Workbench } from './workbench.ts';
import { writeFiles } from './write-files.ts';

const bench = new Workbench(workerData as WorkerSetup);

function run(task: Task): unknown {
  switch (task.type) {
    case 'examine':
      return examineFiles(task, bench);
    case 'files':
      return writeFiles(task, bench);
    case 'begin':
      return beginLong(task, bench);
    case 'compare':
      return comparePieces(task, bench);
    case 'slices':
      return writeSlices(task, bench);
    case 'finish':
      return finishLong(task, bench);
    case 'specials':
      return makeSpecials(task, bench);
    case 'verify':
      return verifyFiles(task, bench);
  }
}

// Errors lose their codes on the way between threads.
answerTasks(run, (error) => ({ failed: failureOf(0, error) }));

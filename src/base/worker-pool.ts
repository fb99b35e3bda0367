import { availableParallelism } from 'node:os';
import { parentPort, Worker } from 'node:worker_threads';
import { type CarriedError, packError, unpackError } from './carried-error.ts';

interface Waiting<Task> {
  readonly task: Task;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

interface Thread<Task> {
  readonly worker: Worker;
  readonly ended: Promise<void>;
  readonly running: Map<number, Waiting<Task>>;
}

interface Answer {
  readonly number: number;
  readonly result?: unknown;
  readonly error?: CarriedError;
}

/** How many tasks a thread holds: the one it works on, and the next ones, so that it need not wait for us. */
const TASKS_A_THREAD = 4;

/** One thread a core, up to what is useful beside the main one. */
export function threadCount(): number {
  return Math.max(1, Math.min(16, availableParallelism()));
}

/**
 * Threads that run one program, which calls {@link answerTasks}. Tasks run in the order in which they are
 * given; `urgent` ones go first.
 */
export class WorkerPool<Task> {
  readonly #threads: Thread<Task>[] = [];
  readonly #queue: Waiting<Task>[] = [];
  readonly #urgent: Waiting<Task>[] = [];
  #number = 0;
  #failure: unknown;
  #isClosing = false;

  /** @param program what each thread runs, with `setup` as its worker data */
  constructor(program: URL, setup: unknown, threads = threadCount()) {
    for (let i = 0; i < threads; i++) {
      const worker = new Worker(program, {
        workerData: setup,
        execArgv: [],
        resourceLimits: { maxYoungGenerationSizeMb: 4 },
      });
      const ended = new Promise<void>((resolve) => worker.on('exit', () => resolve()));
      const thread: Thread<Task> = { worker, ended, running: new Map() };
      worker.on('message', (message) => this.#answered(thread, message));
      worker.on('error', (error) => this.#fail(error));
      worker.on('messageerror', (error) => this.#fail(error));
      worker.on('exit', (code) => {
        if (!this.#isClosing) this.#fail(new Error(`a worker ended with ${code} before its pool was closed`));
      });
      worker.unref();
      this.#threads.push(thread);
    }
  }

  /** Rejects with what the task threw; if a thread dies, so do all tasks. */
  run(task: Task, options: { readonly urgent?: boolean } = {}): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      (options.urgent ? this.#urgent : this.#queue).push({ task, resolve, reject });
      this.#dispatch();
    });
  }

  #dispatch(): void {
    while (this.#queue.length + this.#urgent.length > 0) {
      const thread = this.#threads.reduce((best, next) =>
        next.running.size < best.running.size ? next : best,
      );
      if (thread.running.size >= TASKS_A_THREAD) return;
      const waiting = (this.#urgent.shift() ?? this.#queue.shift())!;
      const number = this.#number++;
      if (thread.running.size === 0) thread.worker.ref();
      thread.running.set(number, waiting);
      thread.worker.postMessage({ number, task: waiting.task });
    }
  }

  #answered(thread: Thread<Task>, message: Answer): void {
    const waiting = thread.running.get(message.number);
    if (waiting === undefined) return;
    thread.running.delete(message.number);
    if (thread.running.size === 0) thread.worker.unref();
    if (message.error !== undefined) waiting.reject(unpackError(message.error));
    else waiting.resolve(message.result);
    this.#dispatch();
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    const lost = [
      ...this.#threads.flatMap((thread) => [...thread.running.values()]),
      ...this.#urgent.splice(0),
      ...this.#queue.splice(0),
    ];
    for (const thread of this.#threads) thread.running.clear();
    for (const waiting of lost) waiting.reject(error);
  }

  /**
   * Ends the threads; tasks that still run are rejected. Resolves when nothing works on them any more.
   * Threads end by themselves: one that is terminated inside of a native call takes the process with it.
   */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#fail(new Error('the workers were closed'));
    for (const { worker } of this.#threads) {
      worker.ref();
      worker.postMessage(END);
    }
    await Promise.all(this.#threads.map(({ ended }) => ended));
  }
}

const END = 'end';

/**
 * The program of a thread: answers each task with what `run` gives. An error keeps its code, context and
 * advice on the way, unless `resultOf` makes a result of it; what that throws is the error then.
 */
export function answerTasks<Task>(
  run: (task: Task) => unknown,
  resultOf: (error: unknown) => unknown = (error) => {
    throw error;
  },
): void {
  const port = parentPort!;
  const resultOfTask = (task: Task): unknown => {
    try {
      return run(task);
    } catch (error) {
      return resultOf(error);
    }
  };
  port.on('message', (message: { readonly number: number; readonly task: Task } | typeof END) => {
    if (message === END) {
      port.close();
      return;
    }
    const { number, task } = message;
    try {
      port.postMessage({ number, result: resultOfTask(task) } satisfies Answer);
    } catch (error) {
      port.postMessage({ number, error: packError(error) } satisfies Answer);
    }
  });
}

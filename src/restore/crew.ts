import { EverfullError, threadCount, WorkerPool } from '../base/mod.ts';
import { FRAME_BYTES_MAX } from '../format/mod.ts';
import type { Failure } from './failure.ts';
import type { Task, TaskResults, WorkerSetup } from './tasks.ts';

/** Room for the longest frame; a task usually fills half of it. */
export const SLAB_BYTES = FRAME_BYTES_MAX;
/** More threads than that wait for the file system only. */
const THREADS_MAX = 8;

/** The workers of a restore, and the memory in which stored chunks reach them. How many slabs there are bounds what is in flight. */
export class Crew {
  readonly threads = Math.min(THREADS_MAX, threadCount());
  readonly #pool: WorkerPool<Task>;
  readonly #slabs: Uint8Array[];
  readonly #free: number[];
  readonly #waiting: ((slab: number) => void)[] = [];

  constructor(setup: Omit<WorkerSetup, 'slabs'>) {
    const slabs = Array.from({ length: this.threads * 2 + 2 }, () => new SharedArrayBuffer(SLAB_BYTES));
    this.#slabs = slabs.map((slab) => new Uint8Array(slab));
    this.#free = slabs.map((_, i) => i);
    const program = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);
    this.#pool = new WorkerPool<Task>(program, { ...setup, slabs } satisfies WorkerSetup, this.threads);
  }

  /** Rejects with an operating error where the task as a whole failed. */
  async run<T extends Task>(task: T): Promise<TaskResults[T['type']]> {
    // What needs no chunks goes first: long files wait for it to get on.
    const urgent = task.type !== 'files' && task.type !== 'slices';
    const result = (await this.#pool.run(task, { urgent })) as TaskResults[T['type']] | { failed: Failure };
    if ('failed' in result) throw new EverfullError(result.failed.code, result.failed.reason);
    return result;
  }

  /** A slab; waits until one is free. */
  async acquire(): Promise<number> {
    return this.#free.pop() ?? (await new Promise<number>((resolve) => this.#waiting.push(resolve)));
  }

  release(slab: number): void {
    const next = this.#waiting.shift();
    if (next !== undefined) next(slab);
    else this.#free.push(slab);
  }

  memory(slab: number): Uint8Array {
    return this.#slabs[slab];
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}

/** Lets so many through at once. */
export class Gate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  async through<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next !== undefined) next();
      else this.#free++;
    }
  }
}

/** Work of which only so many pieces are under way; the first failure shows in {@link done} and stops what follows. */
export class Bounded {
  readonly #atOnce: number;
  readonly #running = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** Resolves when `work` has begun. Rejects if anything begun earlier has failed. */
  async start(work: () => Promise<void>): Promise<void> {
    while (this.#running.size >= this.#atOnce) await Promise.race(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
    const running = work().catch((error: unknown) => {
      this.#failure ??= { error };
    });
    this.#running.add(running);
    running.then(() => this.#running.delete(running));
  }

  /** Resolves when all has ended. */
  async done(): Promise<void> {
    await Promise.all(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

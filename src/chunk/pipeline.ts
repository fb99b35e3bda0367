import { WorkerPool } from '../base/mod.ts';
import { DomainSecrets } from '../crypto/mod.ts';
import { boundMalloc } from '../os/mod.ts';
import { writeGear } from './cutter.ts';
import { layOut, type Pools, type SharedMemory, viewsOf } from './slabs.ts';
import type { Task, TaskResults, WorkerSetup } from './tasks.ts';

/** The workers of a backup and the memory that they share. Both come with the first task: where nothing changed there is none. */
export class ChunkPipeline {
  readonly #setup: Omit<WorkerSetup, keyof SharedMemory>;
  readonly #threads: number;
  #lazy: { pool: WorkerPool<Task>; views: readonly Uint8Array[]; pools: Pools } | undefined;

  constructor(setup: Omit<WorkerSetup, keyof SharedMemory>, options: { readonly threads: number }) {
    this.#setup = setup;
    this.#threads = options.threads;
  }

  #started() {
    if (this.#lazy === undefined) {
      boundMalloc();
      const { memory, places, ...pools } = layOut(this.#threads);
      writeGear(memory, new DomainSecrets(this.#setup.domainSecret).gearTable());
      const program = new URL(
        import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js',
        import.meta.url,
      );
      const setup: WorkerSetup = { ...this.#setup, memory, places };
      this.#lazy = {
        pool: new WorkerPool<Task>(program, setup, this.#threads),
        views: viewsOf({ memory, places }),
        pools,
      };
    }
    return this.#lazy;
  }

  get pools(): Pools {
    return this.#started().pools;
  }

  /** The bytes of a slab. */
  memory(slab: number): Uint8Array {
    return this.#started().views[slab];
  }

  /** Sealing goes before reading: it frees memory. */
  run<T extends Task>(task: T): Promise<TaskResults[T['type']]> {
    return this.#started().pool.run(task, { urgent: task.type === 'seal' }) as Promise<
      TaskResults[T['type']]
    >;
  }

  async close(): Promise<void> {
    await this.#lazy?.pool.close();
  }
}

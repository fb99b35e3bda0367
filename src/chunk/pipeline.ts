import { WorkerPool } from '../base/mod.ts';
import { DomainSecrets } from '../crypto/mod.ts';
import { boundMalloc } from '../os/mod.ts';
import { writeGear } from './cutter.ts';
import { layOut, type SharedMemory, type Slabs, viewsOf } from './slabs.ts';
import type { Task, TaskResults, WorkerSetup } from './tasks.ts';

/** The workers of a backup and the memory that they share. Both come with the first task: where nothing changed there is none. */
export class ChunkPipeline {
  readonly #setup: Omit<WorkerSetup, keyof SharedMemory>;
  readonly #threads: number;
  #lazy:
    | { pool: WorkerPool<Task>; views: readonly Uint8Array[]; scans: Slabs; batches: Slabs; groups: Slabs }
    | undefined;

  constructor(setup: Omit<WorkerSetup, keyof SharedMemory>, options: { readonly threads: number }) {
    this.#setup = setup;
    this.#threads = options.threads;
  }

  #started() {
    if (this.#lazy === undefined) {
      boundMalloc();
      const { memory, places, scans, batches, groups } = layOut(this.#threads);
      writeGear(memory, new DomainSecrets(this.#setup.domainSecret).gearTable());
      const program = new URL(
        import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js',
        import.meta.url,
      );
      const setup: WorkerSetup = { ...this.#setup, memory, places };
      this.#lazy = {
        pool: new WorkerPool<Task>(program, setup, this.#threads),
        views: viewsOf({ memory, places }),
        scans,
        batches,
        groups,
      };
    }
    return this.#lazy;
  }

  /** For long files. */
  get scans(): Slabs {
    return this.#started().scans;
  }

  /** For small files. */
  get batches(): Slabs {
    return this.#started().batches;
  }

  /** For chunks that many files share. */
  get groups(): Slabs {
    return this.#started().groups;
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

import { WorkerPool } from '../base/mod.ts';
import { type Slabs, sharedMemory } from './slabs.ts';
import type { Task, TaskResults, WorkerSetup } from './tasks.ts';

/** The workers of a backup and the memory that they share. */
export class ChunkPipeline {
  /** For long files. */
  readonly scans: Slabs;
  /** For small files. */
  readonly batches: Slabs;
  /** For chunks that many files share. */
  readonly groups: Slabs;
  readonly #memory: readonly Uint8Array[];
  readonly #pool: WorkerPool<Task>;

  constructor(setup: Omit<WorkerSetup, 'slabs'>, options: { readonly threads: number }) {
    const { buffers, scans, batches, groups } = sharedMemory(options.threads);
    this.scans = scans;
    this.batches = batches;
    this.groups = groups;
    this.#memory = buffers.map((buffer) => new Uint8Array(buffer));
    const program = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);
    this.#pool = new WorkerPool<Task>(program, { ...setup, slabs: buffers } satisfies WorkerSetup, options.threads);
  }

  /** The bytes of a slab. */
  memory(slab: number): Uint8Array {
    return this.#memory[slab];
  }

  /** Sealing goes before reading: it frees memory. */
  run<T extends Task>(task: T): Promise<TaskResults[T['type']]> {
    return this.#pool.run(task, { urgent: task.type === 'seal' }) as Promise<TaskResults[T['type']]>;
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}

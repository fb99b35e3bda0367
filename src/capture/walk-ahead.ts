import { Worker } from 'node:worker_threads';
import type { ByteString, Clock } from '../base/mod.ts';
import type { SelectionOptions } from './select/mod.ts';
import type { WalkEvents, WalkedEntry } from './walk.ts';
import { WalkedReader } from './walked-batch.ts';

/** What to walk; see `WalkOptions`. Paths that do not exist are passed over. */
export interface WalkRequest {
  readonly paths: readonly ByteString[];
  readonly selection: SelectionOptions;
  readonly leaveOut: readonly ByteString[];
}

/** What the thread is made with. */
export interface WalkSetup extends WalkRequest {
  /** Batches that may still be sent, and whether to stop. */
  readonly control: Int32Array;
}

/** Places in {@link WalkSetup.control}. */
export const Control = { room: 0, stop: 1 } as const;
/** The message after the last batch. */
export const END = null;

/** How many batches wait for who reads them: some thousand entries. */
const BATCHES_MAX = 16;

/**
 * A walk in a thread of its own, which begins at once: while the password of the repository is worked on,
 * say. Most of a backup in which little changed are calls of the system, one or two an entry.
 */
export class WalkAhead {
  /** When the first entry was looked at, or shortly before: ms since 1970. */
  readonly began: number;
  readonly #worker: Worker;
  readonly #control = new Int32Array(new SharedArrayBuffer(8));
  readonly #ended: Promise<void>;
  readonly #arrived: (Uint8Array | typeof END)[] = [];
  #failure: unknown;
  #wake: () => void = () => {};

  constructor(request: WalkRequest, clock: Clock) {
    this.began = clock.now();
    this.#control[Control.room] = BATCHES_MAX;
    const program = new URL(
      import.meta.url.endsWith('.ts') ? './walk-worker.ts' : './walk-worker.js',
      import.meta.url,
    );
    const setup: WalkSetup = { ...request, control: this.#control };
    this.#worker = new Worker(program, { workerData: setup, execArgv: [] });
    this.#worker.on('message', (message: Uint8Array | typeof END) => {
      this.#arrived.push(message);
      this.#wake();
    });
    this.#worker.on('error', (error) => {
      this.#failure = error;
    });
    this.#ended = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        this.#failure ??= new Error('the walk ended before it was done');
        this.#wake();
        resolve();
      });
    });
  }

  /** The entries in key order, in batches. Rejects with what the walk threw. */
  async *batches(events: WalkEvents): AsyncGenerator<Iterable<WalkedEntry>> {
    const reader = new WalkedReader(events);
    for (;;) {
      const batch = this.#arrived.shift();
      if (batch === END) return;
      if (batch === undefined) {
        if (this.#failure !== undefined) throw this.#failure;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      yield reader.read(batch);
      Atomics.add(this.#control, Control.room, 1);
      Atomics.notify(this.#control, Control.room);
    }
  }

  /** Ends the walk where it is. Resolves when the thread is gone. */
  async stop(): Promise<void> {
    Atomics.store(this.#control, Control.stop, 1);
    Atomics.add(this.#control, Control.room, BATCHES_MAX);
    Atomics.notify(this.#control, Control.room);
    await this.#ended;
  }
}

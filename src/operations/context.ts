import type { Clock, EverfullError } from '../base/mod.ts';
import type { Config } from '../format/mod.ts';
import type { Repository } from '../repository/mod.ts';
import type { ObjectStore } from '../store/mod.ts';

/** How far a long piece of work is. Numbers only grow; totals may appear late. */
export interface Progress {
  readonly filesDone: number;
  readonly bytesDone: number;
  /** Undefined while they are not known. */
  readonly filesTotal?: number | undefined;
  readonly bytesTotal?: number | undefined;
  /** What is being worked on, as display text. */
  readonly current?: string | undefined;
  readonly errors: number;
}

/** What went wrong with one thing while the rest went on. */
export interface Problem {
  /** A path or an object, as display text. */
  readonly item: string;
  /** scan, read, metadata, write, verify… */
  readonly during: string;
  readonly error: EverfullError | Error;
}

/** What every operation is given besides its own options. */
export interface OperationContext {
  readonly repository: Repository;
  readonly clock: Clock;
  /** Aborted on Ctrl-C: the operation stops soon, leaves everything whole, and rejects with 'interrupted'. */
  readonly signal: AbortSignal;
  /** A folder of this repository for logs and caches, which may vanish at any time; undefined with --no-cache. */
  readonly stateFolder: string | undefined;
  /** Whether anyone looks at progress: only then are totals counted that cost time. */
  readonly showsProgress?: boolean;
  /** Called often; whoever shows it throttles. */
  progress(progress: Progress): void;
  problem(problem: Problem): void;
  /** Something that the user should know and that is no failure, as a sentence. */
  notice(message: string): void;
}

/** What an operation is given that needs no key. */
export interface StoreContext extends Omit<OperationContext, 'repository'> {
  readonly store: ObjectStore;
  readonly config: Config;
}

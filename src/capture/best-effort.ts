import { errnoOf, isEverfullError } from '../base/mod.ts';

/** Writing of what a backup can do without: it goes on without it, and says in the end why. */
export class BestEffort {
  /** The first failure. */
  failure: Error | undefined;

  attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (errnoOf(error) === undefined && !isEverfullError(error, 'limit')) throw error;
      this.failure ??= error as Error;
    }
  }
}

import { type ErrorCode, EverfullError, errnoOf, isEverfullError } from '../base/mod.ts';

/** Why one thing of a task failed, in the shape that travels between threads. */
export interface Failure {
  /** Of the thing in its task. */
  readonly index: number;
  readonly code: ErrorCode;
  /** The state found, without what was tried. */
  readonly reason: string;
}

/** A failed system call or an operating error as a `Failure`. Anything else is a bug and is thrown. */
export function failureOf(index: number, error: unknown): Failure {
  if (isEverfullError(error)) return { index, code: error.code, reason: error.message };
  const errno = errnoOf(error);
  if (errno === undefined) throw error;
  const code = errno === 'ENOSPC' || errno === 'EDQUOT' ? 'disk-full' : 'io';
  return { index, code, reason: (error as Error).message };
}

/** A failed system call as an operating error, which says no more than the state found. */
export function asOperating(error: unknown): EverfullError {
  if (isEverfullError(error)) return error;
  const { code, reason } = failureOf(0, error);
  return new EverfullError(code, reason, { cause: error });
}

/** An error that says that `action` could not be done because of `failure`. */
export function errorOf(action: string, failure: Omit<Failure, 'index'>): EverfullError {
  const advice = ADVICE[failure.code];
  return new EverfullError(
    failure.code,
    `Could not ${action}: ${failure.reason}`,
    advice === undefined ? {} : { advice },
  );
}

const ADVICE: Partial<Record<ErrorCode, string>> = {
  'disk-full': 'Free some space and run the restore again: it goes on where it stopped.',
  damaged: 'Run a check with --read-data; another image may hold this file unharmed.',
  'object-missing': 'Run a check; another image may hold this file unharmed.',
};

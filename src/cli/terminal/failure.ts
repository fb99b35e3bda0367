import { ERROR_CODES, EverfullError, errnoOf } from '../../base/mod.ts';
import { escapeText } from './text.ts';

/** How a run that failed is told to the user and to the shell. */
export interface Failure {
  readonly exitCode: number;
  /** Lines for people: what could not be done, why, and what to do. */
  readonly lines: readonly string[];
  /** All of it on one line, for programs. */
  readonly message: string;
}

/** Exit code of failures that nobody foresaw. */
const UNEXPECTED = 2;
/** Causes below this depth say nothing to a user. */
const CAUSES_MAX = 3;

/** What to say about `error`; the stack of an unforeseen one only with `debug`. */
export function failureOf(error: unknown, debug = false): Failure {
  if (error instanceof EverfullError) {
    const causes = causesOf(error);
    const message = escapeText(error.message);
    const lines = [
      `everfull: ${message}`,
      ...causes.map((cause) => `  because: ${cause}`),
      ...(error.advice === undefined ? [] : [`  ${escapeText(error.advice)}`]),
      ...(debug ? [error.stack ?? ''] : []),
    ];
    return { exitCode: ERROR_CODES[error.code].exit, lines, message: [message, ...causes].join(': ') };
  }
  if (errnoOf(error) !== undefined) {
    // A system call that no part of the program took into its own words: expected all the same.
    return {
      exitCode: 1,
      lines: [`everfull: ${displayableError(error)}`, ...stackLines(error, debug)],
      message: displayableError(error),
    };
  }
  const message = displayableError(error);
  return {
    exitCode: UNEXPECTED,
    lines: [
      `everfull: unexpected failure: ${message}`,
      '  This is a mistake in everfull, not in how you called it. What was stored before is safe.',
      '  Please report it, with what EVERFULL_DEBUG=1 prints.',
      ...stackLines(error, debug),
    ],
    message: `unexpected failure: ${message}`,
  };
}

/** The message of anything that was thrown, as one line. */
export function displayableError(error: unknown): string {
  return escapeText(error instanceof Error ? error.message : String(error));
}

function stackLines(error: unknown, debug: boolean): string[] {
  return debug && error instanceof Error && error.stack !== undefined ? [error.stack] : [];
}

/** The messages of the causes, without those that repeat what was said. */
function causesOf(error: Error): string[] {
  const causes: string[] = [];
  let said = error.message;
  for (let cause = error.cause; cause instanceof Error && causes.length < CAUSES_MAX; cause = cause.cause) {
    if (said.includes(cause.message)) continue;
    causes.push(displayableError(cause));
    said += cause.message;
  }
  return causes;
}

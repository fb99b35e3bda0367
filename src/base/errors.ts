/**
 * Every failure that a user may meet, with the exit code it leads to.
 * The table is the whole list: `docs/ERRORS.md` is held against it by a test.
 */
export const ERROR_CODES = {
  usage: { exit: 1, text: 'The command line does not make sense as written.' },
  io: { exit: 1, text: 'The operating system, or the server of a repository, refused a read or a write.' },
  'disk-full': { exit: 1, text: 'The repository or the target has no space left.' },
  'repository-missing': { exit: 10, text: 'There is no repository at this place.' },
  'repository-exists': { exit: 1, text: 'There is a repository at this place already.' },
  'repository-newer': { exit: 1, text: 'The repository was written by a newer version.' },
  'wrong-password': { exit: 12, text: 'No key slot of the repository opens with what was given.' },
  'keys-rotated': {
    exit: 12,
    text: 'The keys of the repository were rotated, and this one is none of theirs.',
  },
  'no-password': { exit: 12, text: 'A password, key file or recovery code is needed and none was given.' },
  'object-missing': { exit: 1, text: 'The store said that an object does not exist.' },
  'object-exists': { exit: 1, text: 'An object of this name exists already, with other contents.' },
  damaged: { exit: 1, text: 'Stored bytes are not what was written.' },
  forged: { exit: 1, text: 'A signature or a place in the chain does not match.' },
  unsupported: { exit: 1, text: 'This system or this build cannot do it.' },
  limit: { exit: 1, text: 'A size or a count is above what the format allows.' },
  'image-missing': { exit: 1, text: 'No image answers to this name.' },
  'image-ambiguous': { exit: 1, text: 'Several images begin with this id.' },
  retention: {
    exit: 1,
    text: 'The image may not be forgotten: it is held, locked or the last of its dataset.',
  },
  'path-missing': { exit: 1, text: 'The image holds no such path.' },
  'source-missing': { exit: 1, text: 'None of the paths to back up exists.' },
  'source-unreadable': { exit: 3, text: 'Some source could not be read.' },
  'source-failed': { exit: 1, text: 'The command whose output was to be stored failed.' },
  target: { exit: 1, text: 'The target of a restore cannot be used.' },
  'session-expired': { exit: 1, text: 'The session was ended by someone else before it was committed.' },
  'stream-foreign': { exit: 1, text: 'The stream was made with other secrets than those of the repository.' },
  'base-missing': { exit: 1, text: 'The image that a stream builds on is not in the repository.' },
  interrupted: { exit: 130, text: 'The work was interrupted.' },
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorDetails {
  /** What the failure is about: paths, names, numbers. Never secrets. */
  readonly context?: Readonly<Record<string, string | number | boolean>>;
  /** What the user can do about it, as a sentence. */
  readonly advice?: string;
  readonly cause?: unknown;
}

/** An operating error: expected, handled, shown without a stack. Broken invariants throw plain `Error`. */
export class EverfullError extends Error {
  readonly code: ErrorCode;
  readonly context: Readonly<Record<string, string | number | boolean>>;
  readonly advice: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'EverfullError';
    this.code = code;
    this.context = details.context ?? {};
    this.advice = details.advice;
  }
}

/** Whether `error` is an operating error, of one of `codes` where any are given. */
export function isEverfullError(error: unknown, ...codes: ErrorCode[]): error is EverfullError {
  return error instanceof EverfullError && (codes.length === 0 || codes.includes(error.code));
}

/** The errno name (`ENOENT`) of a failed system call, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

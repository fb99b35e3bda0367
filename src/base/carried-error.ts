import { type ErrorCode, EverfullError } from './errors.ts';

/** An error in the shape that travels between threads, where a clone keeps little but the message. */
export interface CarriedError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** Of an operating error. */
  readonly operating:
    | {
        readonly code: ErrorCode;
        readonly context: EverfullError['context'];
        readonly advice: string | undefined;
      }
    | undefined;
  /** Of a failed system call: `ENOENT`. */
  readonly errno: string | undefined;
  readonly cause: CarriedError | undefined;
}

/** Causes below this are left out. */
const CAUSES_MAX = 8;

export function packError(error: unknown, causesLeft = CAUSES_MAX): CarriedError {
  const thrown = error instanceof Error ? error : new Error(String(error));
  const { name, message, stack, cause } = thrown;
  const { code } = thrown as { code?: unknown };
  const isOperating = thrown instanceof EverfullError;
  return {
    name,
    message,
    stack,
    operating: isOperating
      ? { code: thrown.code, context: thrown.context, advice: thrown.advice }
      : undefined,
    errno: !isOperating && typeof code === 'string' ? code : undefined,
    cause: cause === undefined || causesLeft === 0 ? undefined : packError(cause, causesLeft - 1),
  };
}

/** The error again: an operating error with its code, context and advice, any other with its name. */
export function unpackError({ name, message, stack, operating, errno, cause }: CarriedError): Error {
  const inner = cause === undefined ? {} : { cause: unpackError(cause) };
  if (operating !== undefined) {
    const { code, context, advice } = operating;
    return new EverfullError(code, message, {
      context,
      ...inner,
      ...(advice === undefined ? {} : { advice }),
    });
  }
  const error = Object.assign(new Error(message, inner), { name });
  if (stack !== undefined) error.stack = stack;
  return errno === undefined ? error : Object.assign(error, { code: errno });
}

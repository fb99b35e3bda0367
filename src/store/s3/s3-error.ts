import { EverfullError } from '../../base/mod.ts';
import type { HttpAnswer } from './http.ts';
import { childText, parseXml } from './xml.ts';

const ERROR_BYTES_MAX = 64 * 1024;

/** Failures of the network that pass by themselves. */
const PASSING = new Set([
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'EPIPE',
  'ETIMEDOUT',
]);
/** Answers that pass by themselves, besides those of a status of 500 and more. */
const PASSING_STATUS = new Set([408, 425, 429]);
const PASSING_CODES = new Set([
  'ConditionalRequestConflict',
  'OperationAborted',
  'RequestTimeout',
  'SlowDown',
  'Throttling',
]);
/** Answers that will not change, although their status says that it is the server's fault. */
const LASTING_STATUS = new Set([501, 505]);
const FULL_CODES = new Set(['InsufficientCapacity', 'QuotaExceeded', 'StorageFull', 'XMinioStorageFull']);

const KEYS = 'Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.';
const REGION = 'Set AWS_DEFAULT_REGION to the region of the bucket, and use its address.';
const CERTIFICATE = 'Name the authority that signed it in NODE_EXTRA_CA_CERTS, or correct the address.';
const ADVICE: Readonly<Record<string, string>> = {
  AccessDenied: 'These keys may not do that: check the policy of the bucket, and the keys.',
  AuthorizationHeaderMalformed: REGION,
  ExpiredToken: KEYS,
  InvalidAccessKeyId: KEYS,
  InvalidToken: KEYS,
  IllegalLocationConstraintException: REGION,
  NoSuchBucket: 'Check the address, or make the bucket.',
  PermanentRedirect: REGION,
  QuotaExceeded: 'The quota is used up: free some space or have it raised, and repeat.',
  RequestTimeTooSkewed: 'Set the clock of this machine: the server accepts a few minutes of difference.',
  SignatureDoesNotMatch: KEYS,
  CERT_HAS_EXPIRED: CERTIFICATE,
  DEPTH_ZERO_SELF_SIGNED_CERT: CERTIFICATE,
  ECONNREFUSED: 'Check the address, and that the server runs.',
  ENOTFOUND: 'Check the address, and the name service of this machine.',
  EPROTO: 'Check whether the address begins with http or https.',
  ERR_TLS_CERT_ALTNAME_INVALID: CERTIFICATE,
  HPE_INVALID_CONSTANT: 'Check whether the address begins with http or https.',
  SELF_SIGNED_CERT_IN_CHAIN: CERTIFICATE,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: CERTIFICATE,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: CERTIFICATE,
};
/** What an answer without a body, as HEAD gets it, most likely means. */
const USUAL_CODES: Readonly<Record<number, string>> = { 301: 'PermanentRedirect', 403: 'AccessDenied' };

/** What a server says in an answer that is no success. */
export interface Refusal {
  readonly status: number;
  /** Of S3, such as `NoSuchKey`; '' where the answer has none. */
  readonly code: string;
}

/** Reads the body of an answer that is no success, whatever it is. */
export async function refusalOf(answer: HttpAnswer): Promise<Refusal> {
  const { status } = answer;
  const body = await answer.text(ERROR_BYTES_MAX);
  return { status, code: codeIn(body) ?? USUAL_CODES[status] ?? '' };
}

/** Nothing of the text beside the code: it may repeat what was sent, and is not ours to print. */
function codeIn(body: string): string | undefined {
  try {
    const code = childText(parseXml(body), 'Code');
    return code !== undefined && /^[A-Za-z0-9.]{1,64}$/.test(code) ? code : undefined;
  } catch (error) {
    // A proxy in between answers with a page of its own.
    if (error instanceof EverfullError) return undefined;
    throw error;
  }
}

/** The operating error for an answer that is no success. `action`: what could not be done. */
export function refusalError(action: string, { status, code }: Refusal): EverfullError {
  const said = code === '' ? `${status}` : `${status} ${code}`;
  const transient =
    (status >= 500 && !LASTING_STATUS.has(status)) || PASSING_STATUS.has(status) || PASSING_CODES.has(code);
  const isFull = status === 507 || FULL_CODES.has(code);
  const advice = ADVICE[code];
  return new EverfullError(
    isFull ? 'disk-full' : status === 501 ? 'unsupported' : 'io',
    `cannot ${action}: the server answered ${said}`,
    { context: { status, code, transient: transient && !isFull }, ...(advice !== undefined && { advice }) },
  );
}

/**
 * The operating error for `cause`, a failure of the network. A `cause` that is one already comes back
 * as it is; what is no failure of the network is thrown.
 */
export function networkError(action: string, cause: unknown): EverfullError {
  if (cause instanceof EverfullError) return cause;
  const { code, message } = cause as { code?: unknown; message?: unknown };
  if (typeof code !== 'string') throw cause;
  const advice = ADVICE[code];
  const state =
    typeof message === 'string' && message !== '' && !message.includes(code) ? `${message} (${code})` : code;
  return new EverfullError('io', `cannot ${action}: ${state}`, {
    context: { errno: code, transient: PASSING.has(code) },
    ...(advice !== undefined && { advice }),
    cause,
  });
}

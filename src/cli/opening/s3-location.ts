import { EverfullError } from '../../base/mod.ts';
import type { Environment } from './places.ts';

/** As `openS3Store` takes it. */
export interface S3Location {
  /** `http://HOST:PORT` or `https://…`. */
  readonly endpoint: string;
  readonly bucket: string;
  /** '' for none. */
  readonly prefix: string;
}

export interface S3Credentials {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly sessionToken?: string;
  readonly region?: string;
}

const FORM =
  'Write s3:https://HOST/BUCKET/PREFIX, or s3:http://HOST:PORT/BUCKET/PREFIX; the prefix may be left out.';

export function isS3Location(location: string): boolean {
  return location.startsWith('s3:');
}

/**
 * What an address says: `s3:`, a URL, a bucket and a prefix; `s3:HOST/BUCKET` is https, as for restic.
 * Throws 'usage' for what is none, and for one with keys in it, which it does not repeat.
 */
export function s3PlaceAt(location: string): S3Location {
  if (location.includes('@')) {
    throw new EverfullError('usage', 'Could not use the repository: its address has keys in it', {
      advice: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and leave them out of the address.',
    });
  }
  const address = location.slice('s3:'.length);
  const url = URL.parse(/^https?:\/\//.test(address) ? address : `https://${address}`);
  if (url === null || url.hostname === '' || url.search !== '' || url.hash !== '') {
    throw notAnAddress(location, 'not an address');
  }
  const [bucket = '', ...below] = url.pathname.split('/').slice(1);
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/.test(bucket)) throw notAnAddress(location, 'it names no bucket');
  if (below.at(-1) === '') below.pop();
  // What no server and no signature spells in another way.
  if (!below.every((part) => /^[A-Za-z0-9._-]{1,255}$/.test(part))) {
    throw notAnAddress(location, 'the prefix may have letters, digits and -._ between slashes');
  }
  return { endpoint: url.origin, bucket, prefix: below.join('/') };
}

/** The keys in the variables that restic and the tools of AWS use. Throws 'usage' where they are missing. */
export function s3KeysFrom(environment: Environment, location: string): S3Credentials {
  const needed = (variable: string) => {
    const value = environment[variable];
    if (value !== undefined && value !== '') return value;
    throw new EverfullError('usage', `Could not use the repository "${location}": ${variable} is not set`, {
      advice: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
    });
  };
  const region = environment.AWS_DEFAULT_REGION || environment.AWS_REGION;
  return {
    accessKey: needed('AWS_ACCESS_KEY_ID'),
    secretKey: needed('AWS_SECRET_ACCESS_KEY'),
    ...(environment.AWS_SESSION_TOKEN && { sessionToken: environment.AWS_SESSION_TOKEN }),
    ...(region && { region }),
  };
}

function notAnAddress(location: string, state: string): EverfullError {
  return new EverfullError('usage', `Could not use the repository "${location}": ${state}`, { advice: FORM });
}

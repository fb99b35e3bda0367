import { EverfullError, isEverfullError } from '../../base/mod.ts';
import {
  type ObjectStore,
  openFolderStore,
  repeatTransient,
  type ThrottleOptions,
  withRetries,
  withThrottle,
} from '../../store/mod.ts';
import { argumentBytes } from './arguments.ts';
import type { Environment } from './places.ts';
import { isS3Location, s3KeysFrom, s3PlaceAt } from './s3-location.ts';

export interface StoreOptions {
  /** Make what is missing: the folder, or the bucket. */
  readonly create: boolean;
  readonly limits: ThrottleOptions;
  /** Holds the keys of a store that needs some. */
  readonly environment: Environment;
}

/** About six seconds in all. */
const RETRIES = { attempts: 6, delayMs: 200 };

/** Whether `location` is the path of a folder, and no address. */
export function isFolderLocation(location: string): boolean {
  return !/^(s3|https?|sftp|rest|b2|azure|gs|rclone|swift):/.test(location);
}

/**
 * The store at `location`: the path of a folder, or `s3:http://HOST:PORT/BUCKET/PREFIX`. Rejects with
 * 'repository-missing' where there is no such folder or bucket and `create` is not asked for, 'usage' for
 * an address or keys that make no sense, 'unsupported' for an address of another kind.
 */
export async function openStore(
  location: string,
  { create, limits, environment }: StoreOptions,
): Promise<ObjectStore> {
  try {
    if (isFolderLocation(location)) {
      return limited(await openFolderStore(argumentBytes(location), { create }), limits);
    }
    if (!isS3Location(location)) throw unsupported(location);
    const place = s3PlaceAt(location);
    const keys = s3KeysFrom(environment, location);
    // Loaded by those who need it.
    const { openS3Store } = await import('../../store/s3/mod.ts');
    const store = await repeatTransient(RETRIES, () => openS3Store({ ...place, ...keys, create }));
    return withRetries(limited(store, limits), RETRIES);
  } catch (error) {
    if (!isEverfullError(error, 'object-missing')) throw error;
    throw repositoryMissing(location);
  }
}

function limited(store: ObjectStore, limits: ThrottleOptions): ObjectStore {
  return Object.keys(limits).length === 0 ? store : withThrottle(store, limits);
}

function unsupported(location: string): EverfullError {
  const scheme = location.slice(0, location.indexOf(':'));
  return new EverfullError('unsupported', `Could not use the repository: ${scheme} is not supported`, {
    advice: 'Give the path of a folder, or s3:https://HOST/BUCKET. If it is a folder, begin it with ./',
  });
}

export function repositoryMissing(location: string): EverfullError {
  return new EverfullError(
    'repository-missing',
    `Could not open the repository at "${location}": there is none`,
    {
      advice: 'Check the place and that its disk is mounted, or make one: everfull -r REPO init',
    },
  );
}

export function repositoryExists(location: string): EverfullError {
  return new EverfullError(
    'repository-exists',
    `Could not make a repository at "${location}": there is one`,
    {
      advice: 'Use it, or choose another place.',
    },
  );
}

import { EverfullError, isEverfullError } from '../../base/mod.ts';
import { type ObjectStore, openFolderStore } from '../../store/mod.ts';
import { argumentBytes } from './arguments.ts';

/**
 * The store at `location`: the path of a folder. Rejects with 'repository-missing' where there is no
 * such folder and `create` is not asked for, 'unsupported' for an address of another kind.
 */
export async function openStore(
  location: string,
  { create }: { readonly create: boolean },
): Promise<ObjectStore> {
  const scheme = /^(s3|https?|sftp|rest|b2|azure|gs|rclone|swift):/.exec(location)?.[1];
  if (scheme !== undefined) {
    throw new EverfullError(
      'unsupported',
      `Could not use the repository "${location}": ${scheme} is not supported yet`,
      {
        advice: 'Give the path of a folder. If it is one, begin it with ./',
      },
    );
  }
  try {
    return await openFolderStore(argumentBytes(location), { create });
  } catch (error) {
    if (!isEverfullError(error, 'object-missing')) throw error;
    throw repositoryMissing(location);
  }
}

export function repositoryMissing(location: string): EverfullError {
  return new EverfullError(
    'repository-missing',
    `Could not open the repository at "${location}": there is none`,
    {
      advice: 'Check the path and that its disk is mounted, or make one: everfull -r REPO init',
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

import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { EverfullError } from '../../base/mod.ts';

/** Variables by name, as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The repository that is used where none is named, and the key that opens it, apart from it. */
export interface EmbeddedPlace {
  readonly repository: string;
  readonly keyFile: string;
}

/** Throws 'usage' where no home folder is known. */
export function embeddedPlace(environment: Environment): EmbeddedPlace {
  const data = baseFolder(environment, 'XDG_DATA_HOME', '.local/share');
  if (data === undefined) {
    throw new EverfullError('usage', 'Could not choose a repository: no home folder is known', {
      advice: 'Name one with -r or EVERFULL_REPOSITORY.',
    });
  }
  return { repository: join(data, 'everfull', 'repository'), keyFile: join(data, 'everfull', 'key') };
}

/** Where caches and logs of all repositories lie, by default; undefined where no home folder is known. */
export function defaultCacheFolder(environment: Environment): string | undefined {
  const caches = baseFolder(environment, 'XDG_CACHE_HOME', '.cache');
  return caches === undefined ? undefined : join(caches, 'everfull');
}

/** XDG Base Directory Specification: a relative path is to be ignored. */
function baseFolder(environment: Environment, variable: string, below: string): string | undefined {
  const given = environment[variable];
  if (given !== undefined && isAbsolute(given)) return given;
  const home = environment.HOME ?? homedir();
  return isAbsolute(home) ? join(home, below) : undefined;
}

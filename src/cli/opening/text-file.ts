import { readFileSync } from 'node:fs';
import { EverfullError } from '../../base/mod.ts';

/** The text of a small file that a setting names. Throws 'io'. */
export function readTextFile(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/^\ufeff/, '');
  } catch (cause) {
    throw new EverfullError('io', `Could not read ${what} "${path}"`, {
      cause,
      advice: 'Check its path and its permissions.',
    });
  }
}

import type { Verb } from './verb.ts';

export type { Begin, Define, Verb } from './verb.ts';

const BACKUP = 'Back up and restore:';
const LOOK = 'Look into images:';
const CARE = 'Care for the repository:';
const TOOL = 'About the program:';

/** Every verb of the command line. Its code is loaded when it is called. */
export const VERBS: readonly Verb[] = [
  {
    name: 'init',
    aliases: [],
    summary: 'make a repository',
    group: BACKUP,
    load: async () => (await import('./init.ts')).define,
  },
  {
    name: 'key',
    aliases: [],
    summary: 'add, list, remove or replace the keys that open the repository',
    group: CARE,
    load: async () => (await import('./key.ts')).define,
  },
  {
    name: 'cache',
    aliases: [],
    summary: 'show or remove what is kept on this machine to save time',
    group: CARE,
    load: async () => (await import('./cache.ts')).define,
  },
  {
    name: 'completion',
    aliases: [],
    summary: 'print the completion script of a shell',
    group: TOOL,
    load: async () => (await import('./completion.ts')).define,
  },
  {
    name: 'version',
    aliases: [],
    summary: 'print the version',
    group: TOOL,
    load: async () => (await import('./version.ts')).define,
  },
];

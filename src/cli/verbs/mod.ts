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
    name: 'backup',
    aliases: ['create'],
    summary: 'back up files and folders as a new image',
    group: BACKUP,
    load: async () => (await import('./backup.ts')).define,
  },
  {
    name: 'restore',
    aliases: ['extract'],
    summary: 'restore an image, or a part of it',
    group: BACKUP,
    load: async () => (await import('./restore.ts')).define,
  },
  {
    name: 'images',
    aliases: ['snapshots', 'list'],
    summary: 'list the images',
    group: LOOK,
    load: async () => (await import('./images.ts')).define,
  },
  {
    name: 'ls',
    aliases: [],
    summary: 'list what an image holds',
    group: LOOK,
    load: async () => (await import('./ls.ts')).define,
  },
  {
    name: 'find',
    aliases: [],
    summary: 'find files in all images',
    group: LOOK,
    load: async () => (await import('./find.ts')).define,
  },
  {
    name: 'diff',
    aliases: [],
    summary: 'show what differs between two images',
    group: LOOK,
    load: async () => (await import('./diff.ts')).define,
  },
  {
    name: 'dump',
    aliases: ['cat'],
    summary: 'write a file, or a folder as an archive, to standard output',
    group: LOOK,
    load: async () => (await import('./dump.ts')).define,
  },
  {
    name: 'map',
    aliases: [],
    summary: 'show which bytes of a file lie where',
    group: LOOK,
    load: async () => (await import('./map.ts')).define,
  },
  {
    name: 'tracklog',
    aliases: [],
    summary: 'show what this machine remembers of the last image of some paths',
    group: LOOK,
    load: async () => (await import('./tracklog.ts')).define,
  },
  {
    name: 'stats',
    aliases: [],
    summary: 'count and measure',
    group: CARE,
    load: async () => (await import('./stats.ts')).define,
  },
  {
    name: 'check',
    aliases: [],
    summary: 'find damage, and what it touches',
    group: CARE,
    load: async () => (await import('./check.ts')).define,
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

/** The three tools behind one small interface: what to run for each step. Everything they keep is in the repository's own folders. */
import { dirname } from 'node:path';
import type { Command } from './measure.ts';

export const TOOL_NAMES = ['everfull', 'restic', 'borg'] as const;
export type ToolName = (typeof TOOL_NAMES)[number];

/** A repository and, apart from it, the home folder (caches, logs, configuration) of the tool that uses it. */
export interface Repository {
  readonly store: string;
  readonly home: string;
}

export interface Tool {
  readonly name: ToolName;
  version(): Command;
  init(at: Repository): Command;
  backup(at: Repository, path: string): Command;
  /** Lists the images, for {@link Tool.imageName}; absent where it can do without. */
  images?(at: Repository): Command;
  /** The name of the image that is `ago` before the newest, from what {@link Tool.images} printed. */
  imageName(listing: string, ago: number): string;
  /** Restores the image below `target`, each path at `target` plus its stored path. */
  restore(at: Repository, image: string, target: string): Command;
  list(at: Repository, image: string): Command;
  diff(at: Repository, older: string, newer: string): Command;
}

/** What only Everfull is asked. */
export interface EverfullTool extends Tool {
  open(at: Repository): Command;
  find(at: Repository, pattern: string): Command;
  /** Reads every stored byte, without a key, and prints a summary as JSON. */
  verify(at: Repository): Command;
  forget(at: Repository, ...words: string[]): Command;
  prune(at: Repository, ...words: string[]): Command;
  /** `length` bytes at `offset` of a file, and a summary of the work on standard error. */
  readRange(at: Repository, image: string, path: string, offset: number, length: number): Command;
}

const PASSWORD = 'benchmark';

/** Everfull, started by `program` (the words of a command). */
export function everfullTool(program: readonly string[]): EverfullTool {
  const run = (at: Repository, ...args: string[]) =>
    command(at.home, [...program, '-r', at.store, ...args], {
      EVERFULL_PASSWORD: PASSWORD,
      EVERFULL_CACHE_DIR: `${at.home}/cache`,
    });
  return {
    name: 'everfull',
    version: () => command('/nonexistent', [...program, 'version'], {}),
    init: (at) => run(at, 'init', '-q'),
    backup: (at, path) => {
      const backup = run(at, 'backup', '-q', path);
      return { ...backup, env: { ...backup.env, EVERFULL_PROFILE: '1' } };
    },
    imageName: (_listing, ago) => (ago === 0 ? 'latest' : `latest~${ago}`),
    restore: (at, image, target) => {
      const restore = run(at, 'restore', '-q', image, '--target', target);
      return { ...restore, env: { ...restore.env, EVERFULL_PROFILE: '1' } };
    },
    list: (at, image) => run(at, 'ls', image, '--recursive'),
    diff: (at, older, newer) => run(at, 'diff', older, newer),
    open: (at) => run(at, 'key', 'list'),
    find: (at, pattern) => run(at, 'find', pattern),
    verify: (at) => run(at, 'verify', '--json', '--no-cache'),
    forget: (at, ...words) => run(at, 'forget', ...words),
    prune: (at, ...words) => run(at, 'prune', ...words),
    readRange: (at, image, path, offset, length) =>
      run(at, 'dump', '--json', '--range', `${offset}-${offset + length}`, `${image}:${path}`),
  };
}

/** restic 0.14 or later: its repositories compress since then. */
export function resticTool(): Tool {
  const run = (at: Repository, ...args: string[]) =>
    command(at.home, ['restic', '-r', at.store, ...args], {
      RESTIC_PASSWORD: PASSWORD,
      RESTIC_CACHE_DIR: `${at.home}/cache`,
    });
  return {
    name: 'restic',
    version: () => command('/nonexistent', ['restic', 'version'], {}),
    init: (at) => run(at, 'init', '-q'),
    backup: (at, path) => run(at, 'backup', '-q', path),
    images: (at) => run(at, 'snapshots', '--json'),
    imageName: (listing, ago) => {
      const snapshots = JSON.parse(listing) as { id: string; time: string }[];
      return snapshots.toSorted((a, b) => a.time.localeCompare(b.time)).at(-1 - ago)!.id;
    },
    restore: (at, image, target) => run(at, 'restore', '-q', image, '--target', target),
    list: (at, image) => run(at, 'ls', image),
    diff: (at, older, newer) => run(at, 'diff', older, newer),
  };
}

/** borg 1.2 with its default compression, lz4. */
export function borgTool(): Tool {
  const run = (at: Repository, ...args: string[]) =>
    command(at.home, ['borg', ...args], { BORG_PASSPHRASE: PASSWORD, BORG_BASE_DIR: at.home });
  return {
    name: 'borg',
    version: () => command('/nonexistent', ['borg', '--version'], {}),
    init: (at) => run(at, 'init', '--encryption', 'repokey-blake2', at.store),
    backup: (at, path) => run(at, 'create', '--compression', 'lz4', `${at.store}::{uuid4}`, path),
    images: (at) => run(at, 'list', '--short', '--sort-by', 'timestamp', at.store),
    imageName: (listing, ago) =>
      listing
        .trim()
        .split('\n')
        .at(-1 - ago)!,
    restore: (at, image, target) => ({ ...run(at, 'extract', `${at.store}::${image}`), cwd: target }),
    list: (at, image) => run(at, 'list', '--short', `${at.store}::${image}`),
    diff: (at, older, newer) => run(at, 'diff', `${at.store}::${older}`, newer),
  };
}

/** `argv` in an environment without the user's own settings of any of the tools. */
export function command(home: string, argv: readonly string[], settings: Record<string, string>): Command {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !/^(EVERFULL|RESTIC|BORG|XDG)_/.test(name)) env[name] = value;
  }
  const path = `${dirname(process.execPath)}:${env.PATH ?? '/usr/bin:/bin'}`;
  return { argv, env: { ...env, HOME: home, PATH: path, LC_ALL: 'C.UTF-8', ...settings } };
}

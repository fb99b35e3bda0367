/** The folder of a run: the copied tree, the repositories, and what is done to both between measured runs. */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  type Stats,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Dice, randomText } from './content.ts';
import type { Repository } from './tools.ts';

export interface Extent {
  /** Folders included. */
  readonly entries: number;
  /** Lengths of the regular files. */
  readonly bytes: number;
  /** Space taken on disk by everything, as `du` counts. */
  readonly allocated: number;
}

export class Workspace {
  readonly folder: string;

  /** Makes a new folder inside `parent`, so that nothing that was there is touched. */
  constructor(parent: string) {
    mkdirSync(parent, { recursive: true });
    this.folder = mkdtempSync(join(parent, 'everfull-bench-'));
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** A new empty folder; what had the name before is removed. */
  emptyFolder(name: string): string {
    const path = this.path(name);
    remove(path);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** Names, for a new repository and its tool's home; what had the name before is removed. */
  freshRepository(name: string): Repository {
    const folder = this.emptyFolder(`repository-${name}`);
    mkdirSync(join(folder, 'home'));
    return { store: join(folder, 'store'), home: join(folder, 'home') };
  }

  copyTree(from: string): string {
    const to = this.path('tree');
    execFileSync('cp', ['-a', '--', from, to]);
    return to;
  }

  remove(): void {
    remove(this.folder);
  }
}

export function remove(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 3 });
}

const TURN_MS = 500;
const QUIET_TURNS = 2;
/** A machine on which others write is never quiet. */
const TURNS_MAX = 60;

/**
 * Brings every file below `path` into the page cache and all that is dirty to the disk, and waits until the
 * disk is quiet: what was deleted before is discarded long after `sync`. So each run starts alike.
 */
export async function settle(path: string): Promise<void> {
  execFileSync('sh', ['-c', 'find "$1" -type f -print0 | xargs -0r cat >/dev/null; sync', 'sh', path]);
  let before = '';
  for (let quiet = 0, turn = 0; quiet < QUIET_TURNS && turn < TURNS_MAX; turn++) {
    const now = readFileSync('/proc/diskstats', 'latin1');
    quiet = now === before ? quiet + 1 : 0;
    before = now;
    await setTimeout(TURN_MS);
  }
}

/** Sizes of everything at and below `path`. */
export function extentOf(path: string): Extent {
  let [entries, bytes, allocated] = [0, 0, 0];
  visit(path, (_path, stat) => {
    entries++;
    if (stat.isFile()) bytes += stat.size;
    allocated += stat.blocks * 512;
  });
  return { entries, bytes, allocated };
}

/**
 * Regular files below `path` with one link and a name that every tool prints as it is; in an order that does
 * not depend on the folder's own.
 */
export function plainFiles(path: string): string[] {
  const files: string[] = [];
  visit(path, (file, stat) => {
    if (stat.isFile() && stat.nlink === 1 && /^[\w./+-]+$/.test(file.slice(path.length))) files.push(file);
  });
  return files.sort();
}

/** Changes `count` of `files`, by turns 16 bytes appended and up to 16 bytes overwritten. Returns which. */
export function changeFiles(files: readonly string[], count: number, dice: Dice): string[] {
  const changed = dice.pick(files, count);
  for (const [turn, path] of changed.entries()) {
    const patch = randomText(`${path} ${dice.below(2 ** 32)}`, 0, 16);
    const { size } = lstatSync(path);
    if (turn % 2 === 0 || size < patch.length) appendFileSync(path, patch);
    else overwrite(path, [[dice.below(size - patch.length + 1), patch]]);
  }
  return changed;
}

/** Writes each piece of data at its offset in an existing file. */
export function overwrite(path: string, pieces: Iterable<readonly [offset: number, data: Buffer]>): void {
  const file = openSync(path, 'r+');
  try {
    for (const [offset, data] of pieces) writeSync(file, data, 0, data.length, offset);
  } finally {
    closeSync(file);
  }
}

function visit(path: string, look: (path: string, stat: Stats) => void): void {
  // Names are bytes: as one-byte strings they go through, as UTF-8 some would be lost.
  const queue = [Buffer.from(path)];
  for (let folder = queue.pop(); folder !== undefined; folder = queue.pop()) {
    const stat = lstatSync(folder);
    look(folder.toString('latin1'), stat);
    if (!stat.isDirectory()) continue;
    for (const name of readdirSync(folder, { encoding: 'buffer' })) {
      queue.push(Buffer.concat([folder, Buffer.from('/'), name]));
    }
  }
}

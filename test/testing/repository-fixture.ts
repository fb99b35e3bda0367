import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { byteStringFromText, hexOf, isEverfullError, systemClock } from '../../src/base/mod.ts';
import { Selection } from '../../src/capture/select/mod.ts';
import { type Credential, SlotKind } from '../../src/crypto/mod.ts';
import { type Entry, EntryType, FrameKind } from '../../src/format/mod.ts';
import { ImageReader } from '../../src/image/mod.ts';
import {
  type BackupSummary,
  type CheckReport,
  loadBackup,
  loadCheck,
  loadRestore,
  type OperationContext,
  type Problem,
  type RestoreSummary,
} from '../../src/operations/mod.ts';
import { WHOLE_RESTORE } from '../../src/operations/testing/whole-restore.ts';
import { type Image, Repository } from '../../src/repository/mod.ts';
import { type ObjectStore, openFolderStore } from '../../src/store/mod.ts';
import { root } from '../../tools/project.ts';

// Most of the time of these tests is threads that load the program.
process.env.NODE_COMPILE_CACHE ??= join(root, 'node_modules/.cache/compile');

/** A new folder, in memory where the system has such: thousands of fsyncs cost nothing there. */
export function temporaryFolder(): string {
  const memory = '/dev/shm';
  return mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), 'everfull-'));
}

/** What the repositories of these tests are opened with. */
export const KEY: Credential = { kind: SlotKind.keyFile, secret: Buffer.alloc(32, 7) };

/** A new repository in a store, with one key slot. */
export function newRepository(store: ObjectStore): Promise<Repository> {
  return Repository.create(store, [{ credential: KEY, label: 'test' }], { clock: systemClock });
}

/** The repository in the folder `path`, as a process that knows nothing of it opens it. */
export async function openRepository(path: string): Promise<Repository> {
  return Repository.open(await openFolderStore(byteStringFromText(path)), [KEY]);
}

export interface Told {
  readonly problems: Problem[];
  readonly notices: string[];
}

/** What an operation is given, without caches unless `stateFolder` is named; what it tells is kept. */
export function contextOf(
  repository: Repository,
  { stateFolder, signal }: { readonly stateFolder?: string | undefined; readonly signal?: AbortSignal } = {},
): OperationContext & { readonly told: Told } {
  const told: Told = { problems: [], notices: [] };
  return {
    told,
    repository,
    clock: systemClock,
    signal: signal ?? new AbortController().signal,
    stateFolder,
    progress: () => {},
    problem: (problem) => told.problems.push(problem),
    notice: (message) => told.notices.push(message),
  };
}

export async function backUp(
  context: OperationContext,
  paths: readonly string[],
  host = 'host',
): Promise<BackupSummary> {
  const { backup } = await loadBackup();
  return backup(context, {
    paths: paths.map(byteStringFromText),
    host,
    tags: [],
    selection: new Selection({}),
    skipIfUnchanged: false,
    dryRun: false,
    force: false,
    compression: 'auto',
    readConcurrency: 1,
    leaveOut: [],
    program: 'test',
  });
}

export async function checkAll(repository: Repository, stateFolder?: string): Promise<CheckReport> {
  const { check } = await loadCheck();
  return check(contextOf(repository, { stateFolder }), { readData: true });
}

/** The errors of a report, one line each. */
export function errorsIn({ findings }: CheckReport): string[] {
  return findings.filter(({ kind }) => kind === 'error').map(({ error }) => error.message);
}

/** Every committed image; one that cannot be read fails the test. */
export function imagesOf(repository: Repository): Promise<Image[]> {
  return repository.images(({ error }) => {
    throw error;
  });
}

/** Restores a whole image below `target`. */
export async function restoreAll(
  context: OperationContext,
  image: Image,
  target: string,
): Promise<RestoreSummary> {
  const { restore } = await loadRestore();
  return restore(context, {
    ...WHOLE_RESTORE,
    image,
    target,
  });
}

/** An entry of a tree, as far as these tests compare it. */
export interface Found {
  readonly type: 'file' | 'folder' | 'symlink';
  readonly mode: number;
  readonly mtime: number;
  /** A file's bytes, a symlink's target. */
  readonly content: Buffer;
}

export type Tree = ReadonlyMap<string, Found>;

/** What is below `folder`, by path relative to it. */
export function treeOf(folder: string): Tree {
  const tree = new Map<string, Found>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const { mode, mtimeMs } = lstatSync(path);
    const type = entry.isDirectory() ? 'folder' : entry.isSymbolicLink() ? 'symlink' : 'file';
    const content =
      type === 'file'
        ? readFileSync(path)
        : Buffer.from(type === 'symlink' ? readlinkSync(path) : '', 'latin1');
    tree.set(path.slice(folder.length + 1), { type, mode, mtime: mtimeMs, content });
  }
  return tree;
}

/** What could be had of a tree. */
export interface Gotten {
  readonly tree: Tree;
  /** How many entries were named as lost. */
  readonly lost: number;
}

/** Every file by the reader that all verbs but restore use. */
export async function readTree(repository: Repository, image: Image, source: string): Promise<Gotten> {
  const { indexRoot: root, indexLevel: level, indexItems: items, indexLength: length } = image.header;
  const reader = new ImageReader(
    {
      node: async (kind, id) => (await repository.frame(kind, id)).plain,
      chunk: async (id) => (await repository.frame(FrameKind.chunk, id)).plain,
    },
    { root, level, items, length },
  );
  const tree = new Map<
    string,
    { type: 'file' | 'folder' | 'symlink'; mode: number; mtime: number; content: Buffer }
  >();
  let lost = 0;
  try {
    for await (const { path, entry } of reader.walk(source)) {
      if (path === source) continue;
      try {
        tree.set(path.slice(source.length + 1), await foundOf(reader, entry));
      } catch (error) {
        codeOf(error);
        lost++;
      }
    }
  } catch (error) {
    codeOf(error);
    lost = Number.POSITIVE_INFINITY;
  }
  return { tree, lost };
}

async function foundOf(reader: ImageReader, entry: Entry) {
  const blocks: Uint8Array[] = [];
  if (entry.content !== undefined)
    for await (const block of reader.readRange(entry.content)) blocks.push(block);
  const [type, format] = TYPES[entry.type]!;
  return {
    type,
    mode: format | entry.mode,
    mtime: entry.mtimeSeconds * 1000 + entry.mtimeNanoseconds / 1e6,
    content: type === 'symlink' ? Buffer.from(entry.target!, 'latin1') : Buffer.concat(blocks),
  };
}

const TYPES: Readonly<Record<number, readonly ['file' | 'folder' | 'symlink', number]>> = {
  [EntryType.file]: ['file', 0o100000],
  [EntryType.folder]: ['folder', 0o040000],
  [EntryType.symlink]: ['symlink', 0o120000],
};

/** How two entries differ, in a word; undefined when they do not. */
export function differenceOf(found: Found, wanted: Found): string | undefined {
  if (found.type !== wanted.type) return 'type';
  if (!found.content.equals(wanted.content)) return 'content';
  if (found.mode !== wanted.mode) return 'mode';
  return found.mtime === wanted.mtime ? undefined : 'mtime';
}

/** Fails unless the image reads exactly as `wanted` says its folder `source` was; `what` says of which this is told. */
export async function assertReads(
  repository: Repository,
  image: Image,
  source: string,
  wanted: Tree,
  what: string,
): Promise<void> {
  const { tree, lost } = await readTree(repository, image, source);
  assert.equal(lost, 0, what);
  assert.deepEqual([...tree.keys()].sort(), [...wanted.keys()].sort(), what);
  for (const [path, entry] of tree)
    assert.equal(differenceOf(entry, wanted.get(path)!), undefined, `${what}: ${path}`);
}

/** Fails unless the image restores exactly to what `wanted` says its folder `source` was. */
export async function assertRestores(
  repository: Repository,
  image: Image,
  source: string,
  wanted: Tree,
  target: string,
): Promise<void> {
  mkdirSync(target, { recursive: true });
  const context = contextOf(repository);
  await restoreAll(context, image, target);
  assert.deepEqual(
    context.told.problems.map(({ item, error }) => `${item}: ${error.message}`),
    [],
    `image ${hexOf(image.id).slice(0, 8)}`,
  );
  const found = treeOf(join(target, source));
  assert.deepEqual([...found.keys()].sort(), [...wanted.keys()].sort());
  for (const [path, entry] of found) assert.equal(differenceOf(entry, wanted.get(path)!), undefined, path);
}

/** The code of an operating error; anything else fails the test with itself. */
export function codeOf(error: unknown): string {
  if (isEverfullError(error)) return error.code;
  throw error;
}

/** Bytes that compress and do not repeat. */
export function proseOf(seed: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = seed * 2654435761 + 12345;
  for (let at = 0; at < length; at += 8) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const word = state.toString(36).padStart(8, 'x');
    bytes.write(word, at, Math.min(8, length - at), 'latin1');
  }
  return bytes;
}

import { mkdirSync } from 'node:fs';
import { type ByteString, byteStringFromText, displayText, EverfullError, errnoOf } from '../base/mod.ts';
import { EntryType } from '../format/mod.ts';
import type { NodeSource } from '../image/mod.ts';
import { close, geteuid, O_DIRECTORY, O_RDONLY, open, reachPath, StatBuffer } from '../os/mod.ts';
import { Attributes } from './attributes.ts';
import { Crew } from './crew.ts';
import type { Engine } from './engine.ts';
import { asOperating } from './failure.ts';
import { FileState } from './file-list.ts';
import { FrameFetcher } from './frames.ts';
import { LinkGroups } from './links.ts';
import { LongFiles } from './long-files.ts';
import { FolderMaker } from './make-folder.ts';

import type { RestoreHost, RestoreOptions, RestoreSummary } from './options.ts';

import { type WantedFile, wantedIfSound, wantedOf } from './plan.ts';
import { Removal } from './removal.ts';
import { RestoreFiles } from './restore-files.ts';
import { RestoreFolders } from './restore-folders.ts';

import { RestoreSpecials } from './restore-specials.ts';
import { type Found, Scope } from './scope.ts';
import { restoreError, Tally } from './tally.ts';
import { TargetFolders } from './target-folders.ts';
import { verifyRestored } from './verify.ts';

/** Entries that are kept in memory for the passes after the first; with more of them the index is walked again. */
const DEFERRED_MAX = 100_000;

/**
 * Restores an image, or a part of it, below a folder. Passes over the index, in the order of its keys:
 *
 * 1. files, with the folders that they lie in;
 * 2. symlinks, FIFOs, sockets and devices; then further names of hard links;
 * 3. against the order: what is to be deleted, and the attributes of folders;
 * 4. with `verify`, all files once more.
 *
 * What cannot be restored is given to `host.problem` and does not stop the rest; the summary counts it.
 * Rejects with 'path-missing', 'target', 'disk-full' and 'interrupted', and where the image's root
 * cannot be read at all. Run again, it goes on: what is right is neither fetched nor written.
 */
export async function restoreImage(host: RestoreHost, options: RestoreOptions): Promise<RestoreSummary> {
  if (options.delete && options.strip > 0) {
    throw new EverfullError(
      'usage',
      'Could not restore with --delete and --strip: several folders of the image may become one',
      { advice: 'Restore a part of the image with IMAGE:PATH instead of --strip.' },
    );
  }
  const { repository } = host;
  const { header } = options.image;
  const source: NodeSource = async (kind, id) => (await repository.frame(kind, id)).plain;
  const rootOfIndex = {
    root: header.indexRoot,
    level: header.indexLevel,
    items: header.indexItems,
    length: header.indexLength,
  };
  const scope = await Scope.open(source, rootOfIndex, options);
  const target = openTarget(options);
  const identity = { uid: geteuid(), gid: process.getegid!() };
  const folders = new TargetFolders(target);
  const crew = new Crew({
    domainSecret: repository.keyring.domainSecret,
    root: target,
    ...identity,
    overwrite: options.overwrite,
    dryRun: options.dryRun,
  });
  try {
    const tally = new Tally(host, options, identity.uid === 0);
    const partials = new Set<ByteString>();
    const engine: Engine = {
      host,
      options,
      scope,
      source,
      crew,
      folders,
      tally,
      partials,
      frames: new FrameFetcher(repository, crew),
      maker: new FolderMaker(folders, { identity, overwrite: options.overwrite, dryRun: options.dryRun }),
      links: new LinkGroups(),
      removal: new Removal({
        select: options.select,
        dryRun: options.dryRun,
        tally,
        isProtected: (place) => partials.has(place),
      }),
      stat: new StatBuffer(),
      isTargetMissing: target < 0,
    };
    return await new Restore(engine, new Attributes(identity)).run(header);
  } finally {
    await crew.close();
    folders.close();
    if (target >= 0) close(target);
  }
}

class Restore {
  readonly #engine: Engine;
  readonly #attributes: Attributes;
  readonly #long: LongFiles;
  readonly #files: RestoreFiles;
  #deferred: Found[] | undefined = [];
  #folders: Found[] | undefined = [];
  /** Folders that are not selected and hold something that is. */
  readonly #used = new Set<ByteString>();
  /** The folder of the image that the first pass is in, and what became of it in the target. */
  #folder: { readonly path: ByteString; readonly isFresh: boolean; readonly error: unknown } | undefined;

  constructor(engine: Engine, attributes: Attributes) {
    this.#engine = engine;
    this.#attributes = attributes;
    this.#long = new LongFiles(engine);
    this.#files = new RestoreFiles(engine, this.#long);
  }

  async run(header: { readonly indexItems: number; readonly indexLength: number }): Promise<RestoreSummary> {
    const { tally, scope, options } = this.#engine;
    if (scope.base === '/') tally.expect(header.indexItems, header.indexLength);
    await this.#restoreFiles();
    await new RestoreSpecials(this.#engine, this.#files, this.#attributes).run(() => this.#allDeferred());
    await this.#restoreFolders();
    if (options.verify && !options.dryRun) await verifyRestored(this.#engine, this.#long);
    tally.progress();
    tally.stage('fetch', this.#engine.frames.time);
    return tally.finish();
  }

  async #restoreFiles(): Promise<void> {
    const { tally, scope } = this.#engine;
    const start = performance.now();
    const onUnreadable = (path: ByteString, items: number, error: EverfullError) => {
      const what = items === 1 ? '1 entry' : `${items} entries`;
      const failure = new EverfullError(
        error.code,
        `Could not restore ${what} at or after "${displayText(path)}": ${error.message}`,
        { cause: error, advice: 'Run a check; another image may hold them unharmed.' },
      );
      tally.lost(items);
      tally.problem(path, 'read', failure);
    };
    try {
      for await (const found of scope.found({ onUnreadable })) {
        tally.check();
        for (const item of found) await this.#visit(item);
      }
      tally.foundAll();
      tally.stage('plan', performance.now() - start);
    } finally {
      await this.#files.done();
    }
  }

  async #visit(item: Found): Promise<void> {
    const { tally, links, options, isTargetMissing } = this.#engine;
    if (item.type === EntryType.folder) {
      if (item.selected) tally.found(0);
      if (item.place !== undefined) this.#folders = kept(this.#folders, item);
      return;
    }
    if (!item.selected) return;
    for (const path of item.folder.unselected) {
      if (this.#used.has(path)) continue;
      // A folder above something selected is made, too.
      this.#used.add(path);
      tally.found(0);
    }

    let file: WantedFile;
    try {
      file = wantedOf(item.path, item.place!, item.value);
    } catch (error) {
      tally.found(0);
      tally.failed(item.path, 0, restoreError(item.path, error), 'read');
      return;
    }
    tally.found(file.size);
    if (item.type !== EntryType.file) {
      this.#deferred = kept(this.#deferred, item);
      return;
    }
    if (!options.dryRun && !links.isLeader(file)) {
      this.#deferred = kept(this.#deferred, item);
      return;
    }
    if (this.#folder?.path !== item.folder.path) this.#folder = this.#enter(item);
    if (this.#folder.error !== undefined) {
      tally.failed(item.path, file.size, restoreError(item.path, asOperating(this.#folder.error)));
      return;
    }
    if (isTargetMissing || this.#folder.isFresh) file.state = FileState.fresh;
    await this.#files.add(file);
  }

  #enter({ folder, place }: Found) {
    try {
      const isFresh = !this.#engine.isTargetMissing && this.#engine.maker.ensure(place!.folder);
      return { path: folder.path, isFresh, error: undefined };
    } catch (error) {
      return { path: folder.path, isFresh: false, error };
    }
  }

  async *#allDeferred(): AsyncGenerator<readonly Found[]> {
    if (this.#deferred !== undefined) {
      yield this.#deferred;
      return;
    }
    for await (const found of this.#engine.scope.found())
      yield found.filter((item) => this.#isDeferred(item));
  }

  /** Whether something comes after all files: it is no file and no folder, or a further name of one. */
  #isDeferred({ type, selected, path, place, value }: Found): boolean {
    if (type === EntryType.folder || !selected) return false;
    const wanted = wantedIfSound(path, place!, value);
    if (wanted === undefined) return false;
    return type !== EntryType.file || !(this.#engine.options.dryRun || this.#engine.links.isLeader(wanted));
  }

  async #restoreFolders(): Promise<void> {
    const { tally, scope, options } = this.#engine;
    const start = performance.now();
    const folders = new RestoreFolders(this.#engine, this.#attributes);
    const isUsed = (path: ByteString) => this.#used.has(path);
    if (this.#folders !== undefined && !options.delete) folders.takeAll(this.#folders.reverse(), isUsed);
    else for await (const found of scope.found({ reverse: true })) folders.takeAll(found, isUsed);
    folders.finish();
    tally.stage('folders', performance.now() - start);
  }
}

/** A list with one more; undefined once it is too long. What it holds is copied, since an entry is a view of its whole node. */
function kept(list: Found[] | undefined, item: Found): Found[] | undefined {
  if (list === undefined || list.length >= DEFERRED_MAX) return undefined;
  list.push({ ...item, value: Buffer.from(item.value) });
  return list;
}

/** A descriptor of the target; -1 if there is none in a dry run. Throws 'target'. */
function openTarget({ target, dryRun }: RestoreOptions): number {
  const fail = (error: unknown, why: string) =>
    new EverfullError('target', `Could not restore to "${target}": ${why}`, {
      cause: error,
      advice: 'Choose a folder that can be written to, or one to be made.',
    });
  try {
    if (!dryRun) mkdirSync(target, { recursive: true, mode: 0o700 });
    return reachPath(byteStringFromText(target), (dirfd, name) => open(dirfd, name, O_RDONLY | O_DIRECTORY));
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    if (dryRun && errno === 'ENOENT') return -1;
    throw fail(
      error,
      errno === 'EEXIST' || errno === 'ENOTDIR' ? 'it is not a folder' : (error as Error).message,
    );
  }
}

import { type ByteString, errnoOf } from '../base/mod.ts';
import { decodeEntry, ENTRY_ANCESTOR, type Entry, EntryType } from '../format/mod.ts';
import { close, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, open } from '../os/mod.ts';
import type { Attributes } from './attributes.ts';
import type { Engine } from './engine.ts';
import { asOperating } from './failure.ts';
import { isNoFolder } from './make-folder.ts';
import type { Found } from './scope.ts';
import { restoreError } from './tally.ts';

const FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

/** Whatever the image has in one folder. */
interface Run {
  readonly path: ByteString;
  readonly place: ByteString;
  readonly names: Set<ByteString>;
}

/**
 * The last pass: folders, the deepest first, after everything in them. Removes what the image does not
 * have, if that is asked for, and sets attributes: from here on a folder may refuse changes to a user.
 */
export class RestoreFolders {
  readonly #engine: Engine;
  readonly #attributes: Attributes;
  /** Folders, in the image, whose own entries have gone by, and what else was found in them. */
  readonly #seen = new Map<ByteString, readonly ByteString[]>();
  #run: Run | undefined;

  constructor(engine: Engine, attributes: Attributes) {
    this.#engine = engine;
    this.#attributes = attributes;
  }

  /** Takes entries against the order of keys: all of them where something is to be deleted, else folders at least. */
  takeAll(found: readonly Found[], isUsed: (path: ByteString) => boolean): void {
    this.#engine.tally.check();
    for (const item of found) {
      if (this.#engine.options.delete) this.#note(item);
      if (item.type === EntryType.folder && item.place !== undefined && (item.selected || isUsed(item.path)))
        this.#folder(item);
    }
    this.#engine.tally.progress();
  }

  /** The target itself, after all else. */
  finish(): void {
    this.#endRun();
    const { scope, isTargetMissing, tally, folders, options } = this.#engine;
    const { top } = scope;
    if (top === undefined) return;
    tally.found(0);
    if (isTargetMissing) {
      tally.restored(top.path, 0);
      return;
    }
    const entry = decodeEntry(top.value);
    this.#deleteIn(top.path, '', entry);
    this.#guarded(top.path, () =>
      this.#set(top.path, entry, options.dryRun ? undefined : open(folders.open(''), '.', FLAGS)),
    );
  }

  #folder(item: Found): void {
    const { maker, tally, options, isTargetMissing } = this.#engine;
    const { path, value } = item;
    const { folder, name } = item.place!;
    const place = folder === '' ? name : `${folder}/${name}`;
    this.#guarded(path, () => {
      if (isTargetMissing || (options.dryRun && maker.ensure(place))) {
        tally.restored(path, 0);
        return;
      }
      const entry = decodeEntry(value);
      this.#deleteIn(path, place, entry);
      this.#set(path, entry, options.dryRun ? undefined : this.#open(folder, name));
    });
  }

  /** A folder that has something in it is there by now; an empty one may not be. */
  #open(folder: ByteString, name: ByteString): number {
    const { folders, maker } = this.#engine;
    try {
      return open(folders.open(folder), name, FLAGS);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno !== 'EACCES' && !isNoFolder(error)) throw error;
      maker.ensure(folder === '' ? name : `${folder}/${name}`);
      return open(folders.open(folder), name, FLAGS);
    }
  }

  #set(path: ByteString, entry: Entry, fd: number | undefined): void {
    const { tally, stat } = this.#engine;
    if (fd === undefined) {
      tally.skipped(path, 0);
      return;
    }
    try {
      stat.fd(fd);
      const isChanged = this.#attributes.setChanges(fd, stat, entry, 0);
      this.#attributes.setFlags(fd, entry, 0);
      tally.metadata(this.#attributes.takeTally(), () => path);
      if (isChanged) tally.restored(path, 0);
      else tally.skipped(path, 0);
    } finally {
      close(fd);
    }
  }

  #guarded(path: ByteString, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#engine.tally.failed(path, 0, restoreError(path, asOperating(error)));
    }
  }

  /** Gathers the names of a folder, which come one after another. */
  #note({ folder, name }: Found): void {
    if (this.#run?.path !== folder.path) {
      this.#endRun();
      if (folder.place === undefined) return;
      this.#run = { path: folder.path, place: folder.place, names: new Set() };
    }
    this.#run?.names.add(name);
  }

  #endRun(): void {
    const run = this.#run;
    this.#run = undefined;
    if (run !== undefined)
      this.#seen.set(
        run.path,
        this.#namesIn(run.place).filter((name) => !run.names.has(name)),
      );
  }

  #namesIn(place: ByteString): readonly ByteString[] {
    const { folders, removal } = this.#engine;
    try {
      const fd = open(folders.open(place), '.', FLAGS);
      try {
        return removal.names(fd);
      } finally {
        close(fd);
      }
    } catch (error) {
      if (isNoFolder(error)) return [];
      throw error;
    }
  }

  /** Deletes what the image does not have in a folder that it holds whole. */
  #deleteIn(path: ByteString, place: ByteString, entry: Entry): void {
    const { options, folders, removal, scope } = this.#engine;
    if (!options.delete) return;
    if (this.#run?.path === path) this.#endRun();
    const unexpected = this.#seen.get(path) ?? this.#namesIn(place);
    this.#seen.delete(path);
    if (unexpected.length === 0 || entry.flags & ENTRY_ANCESTOR) return;
    if (path !== scope.base && !options.select(path, true).descend) return;
    for (const name of unexpected) {
      removal.remove(
        folders.open(place),
        name,
        path === '/' ? `/${name}` : `${path}/${name}`,
        place === '' ? name : `${place}/${name}`,
      );
    }
  }
}

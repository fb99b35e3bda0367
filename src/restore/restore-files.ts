import { type ByteString, EverfullError } from '../base/mod.ts';
import { Bounded, Gate } from './crew.ts';
import type { Engine } from './engine.ts';
import { FileListBuilder, FileState, PIECE_FIELDS } from './file-list.ts';
import { soundPieces } from './index-walk.ts';
import type { LongFiles } from './long-files.ts';
import { type Batch, batchesOf, fitsInSlab, type GatheredFile, type Slice, type WantedFile } from './plan.ts';
import { restoreError } from './tally.ts';

/** Files that are planned together, so that a chunk shared among them is fetched and opened once. About 1 KiB of memory each. */
const WINDOW_FILES = 4096;
/** One window is worked on while the next is filled. */
const WINDOWS_AT_ONCE = 2;
/** Files whose content tree is no longer than this are made in one task like short ones. */
const GATHERED_BYTES_MAX = 8 * 1024 * 1024;
const EXAMINE_FILES = 256;
/** And no more content than that, so that threads finish together. */
const EXAMINE_BYTES = 32 * 1024 * 1024;
const TREES_AT_ONCE = 32;

/**
 * Restores the content of files. They are taken in windows:
 *
 *     examine   what may be there already (not in folders that were just made)
 *     plan      the chunks of the rest, in the order in which they lie in packs
 *     fetch     runs of neighbouring chunks, by one read each
 *     write     all files of those chunks, by one worker
 *
 * Long files, and those that may be right in part, go through {@link LongFiles}.
 */
export class RestoreFiles {
  readonly #engine: Engine;
  readonly #long: LongFiles;
  readonly #windows = new Bounded(WINDOWS_AT_ONCE);
  readonly #trees = new Gate(TREES_AT_ONCE);
  #window: WantedFile[] = [];

  constructor(engine: Engine, long: LongFiles) {
    this.#engine = engine;
    this.#long = long;
  }

  async add(file: WantedFile): Promise<void> {
    this.#window.push(file);
    if (this.#window.length >= WINDOW_FILES) await this.#start();
  }

  async #start(): Promise<void> {
    const window = this.#window;
    this.#window = [];
    if (window.length > 0) await this.#windows.start(() => this.#run(window));
  }

  /** Resolves when all files are restored, or named as failed. */
  async done(): Promise<void> {
    try {
      await this.#start();
    } finally {
      await this.#windows.done();
    }
  }

  async #run(window: readonly WantedFile[]): Promise<void> {
    const { tally, options } = this.#engine;
    const start = performance.now();
    await this.#examine(window.filter(({ state }) => state !== FileState.fresh));
    tally.stage('examine', performance.now() - start);
    tally.check();
    const gathered: GatheredFile[] = [];
    const long: WantedFile[] = [];
    await Promise.all(
      window.filter(isToWrite).map(async (file) => {
        if (options.dryRun && !isLongState(file)) {
          tally.restored(
            file.path,
            file.size,
            file.size,
            file.state === FileState.replace ? 'updated' : 'restored',
          );
          return;
        }
        const slices = isLongState(file) ? undefined : await this.#slices(file);
        if (slices === undefined) long.push(file);
        else gathered.push({ file, slices });
      }),
    );
    const work = new Bounded(Number.POSITIVE_INFINITY);
    try {
      for (const batch of batchesOf(gathered)) await work.start(() => this.#write(batch));
      for (const file of long) await work.start(() => this.#long.restore(file));
    } finally {
      await work.done();
    }
  }

  /** All data of a file that one task can make whole; undefined for a long one, or one that needs care. */
  async #slices(file: WantedFile): Promise<Slice[] | undefined> {
    const { content } = file;
    if (content === undefined) return [];
    if ('root' in content)
      return content.length > GATHERED_BYTES_MAX
        ? undefined
        : this.#trees.through(() => this.#slicesOf(file));
    return this.#slicesOf(file);
  }

  async #slicesOf(file: WantedFile): Promise<Slice[] | undefined> {
    const slices: Slice[] = [];
    const { source, frames } = this.#engine;
    const { content } = file;
    try {
      if (!('root' in content!)) {
        let position = 0;
        for (const { chunk, offset, length } of content!.pieces) {
          if (chunk !== undefined)
            slices.push({
              frame: frames.find(chunk) ?? (await frames.locate(chunk)),
              offset,
              length,
              position,
            });
          position += length;
        }
      } else {
        for await (const { piece, position } of soundPieces(source, content)) {
          if (piece === undefined) return undefined;
          if (piece.chunk !== undefined)
            slices.push({
              frame: await frames.locate(piece.chunk),
              offset: piece.offset,
              length: piece.length,
              position,
            });
        }
      }
    } catch (error) {
      restoreError(file.path, error);
      return undefined;
    }
    return fitsInSlab(slices) ? slices : undefined;
  }

  async #examine(files: readonly WantedFile[]): Promise<void> {
    const tasks: Promise<void>[] = [];
    let batch: WantedFile[] = [];
    let bytes = 0;
    const send = () => {
      if (batch.length > 0) tasks.push(this.#examineBatch(batch));
      batch = [];
      bytes = 0;
    };
    for (const file of files) {
      batch.push(file);
      bytes += file.size;
      if (batch.length >= EXAMINE_FILES || bytes >= EXAMINE_BYTES) send();
    }
    send();
    await Promise.all(tasks);
  }

  async #examineBatch(files: readonly WantedFile[]): Promise<void> {
    const { crew, tally, links } = this.#engine;
    tally.check();
    const list = new FileListBuilder();
    for (const { place, value, state } of files) list.add(place, value, state);
    const result = await crew.run({ type: 'examine', files: list.finish() });
    tally.report(result, (index) => files[index].path);
    links.note(result.inodes, (index) => files[index].linkGroup);
    files.forEach((file, index) => {
      file.state = result.states[index] as FileState;
      if (file.state === FileState.right) tally.skipped(file.path, file.size);
      if (file.state === FileState.kept) tally.kept(file.path, file.size);
      if (file.state === FileState.blocked) this.#unblock(file);
    });
    for (const { index, code, reason } of result.failures)
      this.#fail(files[index], new EverfullError(code, reason));
    tally.progress();
  }

  /** A folder that is not empty is in the file's place: it goes if what the image lacks is to be deleted. */
  #unblock(file: WantedFile): void {
    if (unblock(this.#engine, file)) {
      file.state = FileState.missing;
    } else {
      file.state = FileState.failed;
      this.#fail(file, folderInTheWay());
    }
  }

  #fail(file: WantedFile, error: unknown): void {
    this.#engine.tally.failed(file.path, file.size, restoreError(file.path, error));
  }

  async #write({ frames, items }: Batch<WantedFile>): Promise<void> {
    const { tally, crew, links, options } = this.#engine;
    tally.check();
    const again: WantedFile[] = [];
    const loaded = await this.#engine.frames.fetch(frames);
    try {
      tally.check();
      const list = new FileListBuilder();
      for (const { item, fields } of items) list.add(item.place, item.value, item.state, fields);
      const result = await crew.run({ type: 'files', loaded, files: list.finish() });
      tally.report(result, (index) => items[index].item.path);
      links.note(result.inodes, (index) => items[index].item.linkGroup);
      const failed = new Map(result.failures.map((failure) => [failure.index, failure]));
      items.forEach(({ item: file, fields }, index) => {
        const failure = failed.get(index);
        if (failure === undefined)
          tally.restored(
            file.path,
            file.size,
            file.size,
            file.state === FileState.replace ? 'updated' : 'restored',
          );
        else if (options.partial && fields.length > PIECE_FIELDS && failure.code !== 'disk-full')
          again.push(file);
        else this.#fail(file, new EverfullError(failure.code, failure.reason));
      });
      tally.progress(items.at(-1)!.item.path);
    } finally {
      crew.release(loaded.slab);
    }
    // Once more, piece by piece, to keep what is sound of them.
    for (const file of again) await this.#long.restore(file);
  }
}

function isToWrite({ state }: WantedFile): boolean {
  return (
    state === FileState.fresh ||
    state === FileState.missing ||
    state === FileState.replace ||
    state === FileState.inPlace ||
    state === FileState.shared
  );
}

/** Whether what is there may be right in part. */
function isLongState({ state }: WantedFile): boolean {
  return state === FileState.inPlace || state === FileState.shared;
}

/** Removes the folder at a place, if what the image lacks is to be deleted. Whether the place is free. */
export function unblock(
  engine: Engine,
  { place, path }: { readonly place: WantedFile['place']; readonly path: ByteString },
): boolean {
  if (!engine.options.delete) return false;
  const isGone = engine.removal.remove(
    engine.folders.open(place.folder),
    place.name,
    path,
    place.folder === '' ? place.name : `${place.folder}/${place.name}`,
  );
  engine.folders.close();
  return isGone && !engine.options.dryRun;
}

export function folderInTheWay(): EverfullError {
  return new EverfullError('target', 'a folder that is not empty is in its place');
}

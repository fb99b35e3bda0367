import { type ByteString, EverfullError, isEverfullError } from '../base/mod.ts';
import { ID_BYTES } from '../format/mod.ts';
import { Bounded, Gate } from './crew.ts';
import type { Engine } from './engine.ts';
import { FileState, listOf } from './file-list.ts';
import type { FrameRef } from './frames.ts';
import { type SoundPiece, soundPieces } from './index-walk.ts';
import { partialName } from './long-tasks.ts';
import { type Batch, Batcher, type Slice, type WantedFile } from './plan.ts';
import { restoreError } from './tally.ts';
import type { FinishTask } from './tasks.ts';

/** Enough that the workers never wait for the main thread to ask the next question about one of them. */
const FILES_AT_ONCE = 24;
/** Batches of one file under way. */
const BATCHES_AT_ONCE = 4;
/** Pieces that are compared by one task, and their bytes. */
const COMPARE_PIECES = 1024;
const COMPARE_BYTES = 32 * 1024 * 1024;

/** A long file while it is restored. */
interface Job {
  readonly file: WantedFile;
  /** The name that it has until it is finished. */
  readonly name: ByteString;
  /** Whether something was there that may be right in part. */
  readonly isInPlace: boolean;
  readonly onlyCompare: boolean;
  /** Position and length of what cannot be restored. */
  readonly lost: number[];
  error: EverfullError | undefined;
  /** Whether anything of the file was changed. */
  modified: boolean;
  bytesDiffering: number;
}

/** Restores files piece by piece, in place where there is one: only what differs is fetched and written. */
export class LongFiles {
  readonly #engine: Engine;
  readonly #gate = new Gate(FILES_AT_ONCE);

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  restore(file: WantedFile): Promise<void> {
    return this.#gate.through(async () => {
      const { tally, options } = this.#engine;
      tally.check();
      try {
        if (options.dryRun) await this.#look(file);
        else await this.#restore(file);
      } catch (error) {
        tally.check();
        tally.failed(file.path, file.size, restoreError(file.path, error));
      }
      tally.progress(file.path);
      tally.check();
    });
  }

  /** What a restore would do. */
  async #look(file: WantedFile): Promise<void> {
    const { tally } = this.#engine;
    const job = jobOf(file, file.place.name, { isInPlace: true, onlyCompare: true });
    await this.#content(job);
    if (job.bytesDiffering === 0 && job.error === undefined) tally.skipped(file.path, file.size);
    else tally.restored(file.path, file.size, job.bytesDiffering, 'updated');
  }

  /** Whether a file reads as the image has it; why not, if it does not. Rejects where it cannot be read. */
  async differenceOf(file: WantedFile): Promise<string | undefined> {
    const job = jobOf(file, file.place.name, { isInPlace: true, onlyCompare: true });
    await this.#content(job);
    if (job.error !== undefined) throw job.error;
    return job.bytesDiffering === 0 ? undefined : `${job.bytesDiffering} bytes differ from the image`;
  }

  async #restore(file: WantedFile): Promise<void> {
    const { crew, tally } = this.#engine;
    if (file.state === FileState.shared) {
      const job = jobOf(file, file.place.name, { isInPlace: true, onlyCompare: true });
      await this.#content(job);
      if (job.bytesDiffering === 0 && job.error === undefined) {
        await this.#finish(job, 'whole');
        tally.skipped(file.path, file.size);
        return;
      }
      file.state = FileState.replace;
    }
    const begun = await crew.run({
      type: 'begin',
      file: listOf(file.place, file.value, file.state),
      length: file.size,
    });
    const job = jobOf(file, begun.name, { isInPlace: begun.state === FileState.inPlace, onlyCompare: false });
    job.modified = begun.modified;
    try {
      await this.#content(job);
    } catch (error) {
      // After an interruption the next restore goes on with what is there: its time tells that it is not finished.
      const isInterrupted = isEverfullError(error, 'interrupted');
      if (isInterrupted ? job.name !== file.place.name : job.modified) await this.#finish(job, 'discard');
      throw error;
    }
    if (job.error !== undefined) {
      await this.#fail(job);
    } else {
      await this.#finish(job, 'whole');
      const written = job.isInPlace ? job.bytesDiffering : file.size;
      if (job.modified || written > 0)
        tally.restored(
          file.path,
          file.size,
          written,
          file.state === FileState.fresh || file.state === FileState.missing ? 'restored' : 'updated',
        );
      else tally.skipped(file.path, file.size);
    }
  }

  /** Leaves nothing of a file that is not whole, or what is sound under another name. A file that was not touched stays. */
  async #fail(job: Job): Promise<void> {
    const { options, tally, partials } = this.#engine;
    const { file, lost } = job;
    const bytesLost = lost.reduce((sum, value, i) => (i % 2 === 1 ? sum + value : sum), 0);
    if (options.partial && bytesLost < file.size) {
      await this.#finish(job, 'partial');
      const { folder, name } = file.place;
      partials.add(folder === '' ? partialName(name) : `${folder}/${partialName(name)}`);
      tally.partial();
    } else if (job.modified) {
      await this.#finish(job, 'discard');
    }
    throw job.error;
  }

  async #finish(job: Job, outcome: FinishTask['outcome']): Promise<void> {
    const { crew, tally, links } = this.#engine;
    const { file, name, lost } = job;
    const result = await crew.run({
      type: 'finish',
      file: listOf(file.place, file.value, file.state),
      name,
      outcome,
      lost: Float64Array.from(lost),
    });
    tally.report(result, () => file.path);
    links.note(result.inodes, () => file.linkGroup);
  }

  /** Makes, or compares, all pieces of a file. */
  async #content(job: Job): Promise<void> {
    const { tally, source } = this.#engine;
    const batcher = new Batcher<SoundPiece>();
    const work = new Bounded(BATCHES_AT_ONCE);
    const start = async (batch: Batch<SoundPiece> | undefined) => {
      if (batch !== undefined) await work.start(() => this.#slices(job, batch));
    };
    let pieces: SoundPiece[] = [];
    let bytes = 0;
    const flush = async () => {
      const missing = job.isInPlace
        ? await this.#compare(job, pieces)
        : pieces.filter(({ piece }) => piece?.chunk !== undefined);
      pieces = [];
      bytes = 0;
      for (const missed of missing) {
        const slice = await this.#slice(job, missed);
        if (slice !== undefined) await start(batcher.add(missed, [slice]));
      }
    };
    try {
      for await (const piece of soundPieces(source, job.file.content!)) {
        tally.check();
        if (piece.error !== undefined) this.#lose(job, piece, piece.error);
        else pieces.push(piece);
        bytes += piece.piece?.chunk === undefined ? 0 : piece.length;
        if (pieces.length >= COMPARE_PIECES || bytes >= COMPARE_BYTES) await flush();
        if (this.#isHopeless(job)) break;
      }
      await flush();
      await start(batcher.finish());
    } finally {
      await work.done();
    }
  }

  /** Whether nothing will come of the rest either. */
  #isHopeless(job: Job): boolean {
    return job.error !== undefined && (job.error.code === 'disk-full' || !this.#engine.options.partial);
  }

  #lose(job: Job, { position, length }: SoundPiece, error: EverfullError): void {
    job.lost.push(position, length);
    job.error ??= error;
  }

  async #slice(job: Job, missed: SoundPiece): Promise<Slice | undefined> {
    const piece = missed.piece!;
    let frame: FrameRef;
    try {
      frame = await this.#engine.frames.locate(piece.chunk!);
    } catch (error) {
      if (!isEverfullError(error)) throw error;
      this.#lose(job, missed, error);
      return undefined;
    }
    return { frame, offset: piece.offset, length: piece.length, position: missed.position };
  }

  /** The pieces that have to be looked at with their chunks. */
  async #compare(job: Job, pieces: readonly SoundPiece[]): Promise<SoundPiece[]> {
    if (pieces.length === 0) return [];
    const { crew, tally } = this.#engine;
    const fields = new Float64Array(pieces.length * 3);
    const ids = new Uint8Array(pieces.length * ID_BYTES);
    pieces.forEach(({ position, length, piece }, i) => {
      const isHole = piece!.chunk === undefined;
      fields.set([position, length, isHole ? 1 : 0], i * 3);
      if (!isHole) ids.set(piece!.chunk!, i * ID_BYTES);
    });
    const result = await crew.run({
      type: 'compare',
      folder: job.file.place.folder,
      name: job.name,
      pieces: fields,
      ids,
      makeHoles: !job.onlyCompare,
    });
    tally.report(result, () => job.file.path);
    job.modified ||= result.modified;
    const missing = pieces.filter((_, i) => result.right[i] === 0);
    for (const { piece, length } of missing) if (piece!.chunk === undefined) job.bytesDiffering += length;
    return missing.filter(({ piece }) => piece!.chunk !== undefined);
  }

  async #slices(job: Job, { frames, items }: Batch<SoundPiece>): Promise<void> {
    const { crew, tally } = this.#engine;
    if (this.#isHopeless(job)) return;
    tally.check();
    const loaded = await this.#engine.frames.fetch(frames);
    try {
      tally.check();
      const slices = Float64Array.from(items.flatMap(({ fields }) => fields));
      const { folder } = job.file.place;
      const result = await crew.run({
        type: 'slices',
        loaded,
        folder,
        name: job.name,
        slices,
        compareFirst: job.isInPlace,
        onlyCompare: job.onlyCompare,
      });
      tally.report(result, () => job.file.path);
      job.modified ||= result.bytesWritten > 0;
      for (const index of result.differing) job.bytesDiffering += items[index].item.length;
      for (const { index, code, reason } of result.failures)
        this.#lose(job, items[index].item, new EverfullError(code, reason));
      tally.progress(job.file.path);
    } finally {
      crew.release(loaded.slab);
    }
  }
}

function jobOf(
  file: WantedFile,
  name: ByteString,
  { isInPlace, onlyCompare }: { isInPlace: boolean; onlyCompare: boolean },
): Job {
  return {
    file,
    name,
    isInPlace,
    onlyCompare,
    lost: [],
    error: undefined,
    modified: false,
    bytesDiffering: 0,
  };
}

import { displayText, hexOf, isEverfullError } from '../base/mod.ts';
import { captureImage } from '../capture/mod.ts';
import type { CompressionMode } from '../chunk/mod.ts';
import { type Entry, EntryType, FrameKind, ID_BYTES, type PathKey, pathOfKey } from '../format/mod.ts';
import type { ImageSources } from '../image/mod.ts';
import type { Image, ReadSession, Repository, WriteSession } from '../repository/mod.ts';
import type { OperationContext } from './context.ts';
import { indexRootOf, nodesOf, shortId, throwIfInterrupted } from './reading.ts';

export interface CopyOptions {
  /** Where the images are now. */
  readonly source: Repository;
  /** Oldest first. */
  readonly images: readonly Image[];
  /** Every image of the source: one that has a copy spares reading what the next shares with it. */
  readonly all: readonly Image[];
  readonly compression: CompressionMode;
  readonly threads?: number | undefined;
  /** Told of each image that has a copy now, and whether it had one before. */
  done(image: Image, copy: Image, wasThere: boolean): void;
}

export interface CopySummary {
  readonly copied: number;
  /** Images that had a copy. */
  readonly skipped: number;
  readonly failed: number;
  /** Bytes that were new to the repository, plain and as stored. */
  readonly bytesAdded: number;
  readonly bytesAddedStored: number;
}

/** An image and its copy. */
interface Pair {
  readonly image: Image;
  readonly copy: Image;
}

/** Why one image cannot be copied while others can. */
const UNREADABLE = ['damaged', 'object-missing', 'forged', 'image-missing'] as const;

/**
 * Copies images of another repository into that of the context, encoded anew with the secrets of this one. What
 * an image shares with the one before it in its dataset is not read again. One that has a copy is left out; one
 * that cannot be read is told of as a problem, and the others are copied.
 *
 * Rejects with 'interrupted', or what the stores say. Run again, it goes on where it stopped.
 */
export async function copy(context: OperationContext, options: CopyOptions): Promise<CopySummary> {
  const here = await context.repository.images(({ object, error }) =>
    context.problem({ item: object, during: 'read', error }),
  );
  const copies = new Map<string, Image>();
  for (const image of here)
    if (image.body.original.some((byte) => byte !== 0)) copies.set(hexOf(image.body.original), image);
  /** Of each dataset of the source. */
  const pairs = new Map<string, Pair>();
  for (const image of options.all) {
    const copy = copies.get(hexOf(image.id));
    if (copy !== undefined) pairs.set(hexOf(image.header.dataset), { image, copy });
  }
  const copier = new Copier(context, options, here);
  const summary = { copied: 0, skipped: 0, failed: 0, bytesAdded: 0, bytesAddedStored: 0 };
  for (const image of options.images) {
    throwIfInterrupted(context.signal);
    const dataset = hexOf(image.header.dataset);
    const there = copies.get(hexOf(image.id));
    let copy = there;
    try {
      copy ??= await copier.copy(image, pairs.get(dataset), copies.get(hexOf(image.body.base)));
    } catch (error) {
      if (!isEverfullError(error, ...UNREADABLE)) throw error;
      context.problem({ item: `image ${shortId(image.id)}`, during: 'copy', error });
      summary.failed++;
      continue;
    }
    copies.set(hexOf(image.id), copy);
    pairs.set(dataset, { image, copy });
    options.done(image, copy, there !== undefined);
    if (there !== undefined) {
      summary.skipped++;
      continue;
    }
    summary.copied++;
    summary.bytesAdded += copy.body.bytesAdded;
    summary.bytesAddedStored += copy.body.bytesAddedStored;
  }
  return summary;
}

class Copier {
  readonly #context: OperationContext;
  readonly #options: CopyOptions;
  readonly #here: readonly Image[];
  readonly #sources: ImageSources;
  #files = 0;
  #bytes = 0;

  /** @param here the images of the repository that is written */
  constructor(context: OperationContext, options: CopyOptions, here: readonly Image[]) {
    const { source } = options;
    this.#context = context;
    this.#options = options;
    this.#here = here;
    this.#sources = {
      node: nodesOf(source),
      chunk: async (id) => (await source.frame(FrameKind.chunk, id)).plain,
    };
  }

  /**
   * @param near an image of the dataset that has a copy
   * @param base the copy of the image that `image` was made against
   */
  async copy(image: Image, near: Pair | undefined, base: Image | undefined): Promise<Image> {
    const { repository, clock } = this.#context;
    const { source } = this.#options;
    const { host, name, paths } = image.body;
    const dataset = repository.secrets.datasetId(
      name === '' ? [host, 'paths', ...paths] : [host, 'name', name],
    );
    const pins: ReadSession[] = [await source.pin(image, clock)];
    try {
      const before = await unlessForgotten(async () => {
        if (near === undefined) return undefined;
        pins.push(await source.pin(near.image, clock));
        return { pair: near, session: await this.#openSession(dataset, near.copy) };
      });
      const session = before?.session ?? (await this.#openSession(dataset, undefined));
      try {
        const { root, counts } = await this.#capture(image, dataset, session, before?.pair);
        // The body says how much was stored, so all of it is stored before.
        await session.flush();
        await session.commit({
          endpoint: await repository.endpoint(host),
          kind: image.header.kind,
          root,
          body: {
            ...image.body,
            base: base?.id ?? Buffer.alloc(ID_BYTES),
            original: image.id,
            bytesAdded: counts.bytesAdded + session.nodeBytes,
            bytesAddedStored: session.bytesStored,
          },
          committed: image.committed,
        });
      } catch (error) {
        // The error that ended the work is the one to tell of, whatever happens while the session is ended.
        await session.abort({ keep: true }).catch(() => {});
        throw error;
      }
      return await repository.image(session.id);
    } finally {
      for (const pin of pins) await pin.close();
    }
  }

  #openSession(dataset: Uint8Array, base: Image | undefined): Promise<WriteSession> {
    const { repository, clock } = this.#context;
    return repository.openSession(dataset, { compression: this.#options.compression, clock, base });
  }

  #capture(image: Image, dataset: Uint8Array, session: WriteSession, near: Pair | undefined) {
    const { repository, signal } = this.#context;
    const { compression, threads } = this.#options;
    return captureImage({
      repository,
      session,
      source: this.#sources,
      root: indexRootOf(image),
      before: near && { from: indexRootOf(near.image), to: indexRootOf(near.copy) },
      related: this.#related(dataset).map(indexRootOf),
      compression,
      threads,
      signal,
      entry: (key, entry) => this.#entry(key, entry),
      read: (bytes) => {
        this.#bytes += bytes;
      },
    });
  }

  /** Where files of a dataset may be found that has no copy yet: its newest image, else that of every other. */
  #related(dataset: Uint8Array): Image[] {
    const newest = new Map<string, Image>();
    for (const image of this.#here) {
      const known = newest.get(hexOf(image.header.dataset));
      if (known === undefined || image.committed >= known.committed)
        newest.set(hexOf(image.header.dataset), image);
    }
    const own = newest.get(hexOf(dataset));
    return own === undefined ? [...newest.values()] : [own];
  }

  #entry(key: PathKey, { type }: Entry): void {
    if (type === EntryType.folder) return;
    this.#files++;
    this.#context.progress({
      filesDone: this.#files,
      bytesDone: this.#bytes,
      current: displayText(pathOfKey(key)),
      errors: 0,
    });
  }
}

/** What an image that was forgotten meanwhile would have saved is done. */
async function unlessForgotten<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!isEverfullError(error, 'image-missing')) throw error;
    return undefined;
  }
}

import {
  type ByteString,
  byteStringFromText,
  type Clock,
  displayText,
  EverfullError,
  equalBytes,
  hexOf,
  isEverfullError,
} from '../base/mod.ts';
import { type CompressionMode, frameIdOf } from '../chunk/mod.ts';
import { DecisionKind, IMAGE_KIND_FILES, type ManifestBody } from '../format/mod.ts';
import { decideRetention, type Image, type Repository } from '../repository/mod.ts';
import type { OperationContext } from './context.ts';
import { resolveImage, selectImages } from './images.ts';
import { pinned } from './pinned.ts';
import { indexRootOf, nodesOf, shortId, throwIfInterrupted } from './reading.ts';
import { ImageLosses, type LostPart, type Rebuilt, rebuildIndex } from './repairing/mod.ts';

export type { LostPart } from './repairing/mod.ts';

/** What a repaired image bears besides the tags that it had. */
export const REPAIRED_TAG = 'repaired';

export interface RepairImagesOptions {
  /** As for {@link resolveImage}; every image where none is named. */
  readonly specs: readonly ByteString[];
  /** Keeps what is left of a file that lost bytes, with holes in place of them, under a name that ends in `.damaged`. */
  readonly keepPartial: boolean;
  /** Says what would be done, and changes nothing. */
  readonly dryRun: boolean;
  readonly compression: CompressionMode;
  readonly program: string;
}

export interface ImageRepair {
  readonly image: Image;
  /** In the order of what is lost: entries first, then files by path. */
  readonly lost: readonly LostPart[];
  /** Whether anything is left that a new image could hold. */
  readonly isAnyLeft: boolean;
  /** The id of the image that takes its place; undefined in a dry run, and where nothing is left. */
  readonly repairedAs: Uint8Array | undefined;
  /** Whether the old image is forgotten now. One that is held or locked stays. */
  readonly isForgotten: boolean;
}

/**
 * For each image of which something is lost, makes another of all that is left, with the same dataset, paths
 * and time, and forgets the old one. Resolves to those images only, oldest first.
 */
export async function repairImages(
  context: OperationContext,
  options: RepairImagesOptions,
): Promise<ImageRepair[]> {
  const { repository, signal } = context;
  const images = await chosen(context, options.specs);
  const losses = await ImageLosses.open(repository, () => throwIfInterrupted(signal));
  const repairs: ImageRepair[] = [];
  for (const [done, image] of images.entries()) {
    const root = indexRootOf(image);
    if (await losses.touch(root)) {
      const repair = await unlessForgotten(new Repair(context, options, losses, image).run());
      if (repair !== undefined && repair.lost.length > 0) repairs.push(repair);
    }
    context.progress({
      filesDone: done + 1,
      filesTotal: images.length,
      bytesDone: 0,
      current: `image ${shortId(image.id)}`,
      errors: repairs.length,
    });
  }
  return repairs;
}

/** Undefined where somebody forgot the image meanwhile: what it lacks may have been deleted, not lost. */
async function unlessForgotten<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (!isEverfullError(error, 'image-missing')) throw error;
    return undefined;
  }
}

async function chosen(context: OperationContext, specs: readonly ByteString[]): Promise<readonly Image[]> {
  if (specs.length === 0) return selectImages(context);
  const images = new Map<string, Image>();
  for (const spec of specs) {
    const { image, path } = await resolveImage(context, spec);
    if (path !== undefined)
      throw new EverfullError(
        'usage',
        `Could not repair "${displayText(spec)}": a path in an image is no image`,
      );
    images.set(hexOf(image.id), image);
  }
  return [...images.values()];
}

class Repair {
  readonly #context: OperationContext;
  readonly #repository: Repository;
  readonly #clock: Clock;
  readonly #options: RepairImagesOptions;
  readonly #losses: ImageLosses;
  readonly #image: Image;

  constructor(context: OperationContext, options: RepairImagesOptions, losses: ImageLosses, image: Image) {
    this.#context = context;
    this.#repository = context.repository;
    this.#clock = context.clock;
    this.#options = options;
    this.#losses = losses;
    this.#image = image;
  }

  async run(): Promise<ImageRepair> {
    await using pin = await pinned(this.#context, this.#image);
    // Computed first: an image of which nothing is left must not take the place of one that time may heal.
    const planned = await this.#rebuilt(({ kind, plain }) =>
      frameIdOf(kind, plain, this.#repository.secrets),
    );
    await pin.check();
    const plan = { image: this.#image, lost: planned.lost, isAnyLeft: planned.files + planned.folders > 0 };
    if (this.#options.dryRun || !plan.isAnyLeft || plan.lost.length === 0)
      return { ...plan, repairedAs: undefined, isForgotten: false };
    const repairedAs = (await this.#madeBefore(planned)) ?? (await this.#make(planned));
    return { ...plan, repairedAs: repairedAs.id, isForgotten: await this.#forget(repairedAs) };
  }

  #rebuilt(sink: Parameters<typeof rebuildIndex>[1]['sink'], room = async () => {}): Promise<Rebuilt> {
    return rebuildIndex(indexRootOf(this.#image), {
      source: nodesOf(this.#repository),
      losses: this.#losses,
      secrets: this.#repository.secrets,
      sink,
      keepPartial: this.#options.keepPartial,
      room: async () => {
        throwIfInterrupted(this.#context.signal);
        await room();
      },
    });
  }

  /** The image that an earlier repair made of this one, which was held, or which it had no time to forget. */
  async #madeBefore({ root }: Rebuilt): Promise<Made | undefined> {
    const images = await selectImages(this.#context);
    const tag = byteStringFromText(REPAIRED_TAG);
    const made = images.find(
      ({ body, header }) =>
        equalBytes(body.original, this.#image.id) &&
        body.tags.includes(tag) &&
        equalBytes(header.indexRoot, root.root),
    );
    return made && { id: made.id, session: made.header.session };
  }

  async #make(planned: Rebuilt): Promise<Made> {
    const { header, body, committed } = this.#image;
    const started = this.#clock.now();
    const session = await this.#repository.openSession(header.dataset, {
      compression: this.#options.compression,
      clock: this.#clock,
      base: this.#image,
    });
    try {
      const rebuilt = await this.#rebuilt(
        (node) => session.addNode(node),
        () => session.room(),
      );
      if (!equalBytes(rebuilt.root.root, planned.root.root))
        throw new EverfullError(
          'damaged',
          `Could not repair image ${shortId(this.#image.id)}: what can be read of it changed meanwhile`,
          { advice: 'Run the repair again.' },
        );
      await session.flush();
      const made = await session.commit({
        endpoint: await this.#repository.endpoint(body.host),
        kind: IMAGE_KIND_FILES,
        root: rebuilt.root,
        body: this.#body(rebuilt, started, session.nodeBytes, session.bytesStored),
        // It stands for the same time as the one whose place it takes.
        committed,
      });
      return { id: made.id, session: session.id };
    } catch (error) {
      // The error that ended the work is the one to tell of.
      await session.abort({ keep: false }).catch(() => {});
      throw error;
    }
  }

  #body(
    { lost, files, bytes, folders, partial }: Rebuilt,
    started: number,
    bytesAdded: number,
    bytesAddedStored: number,
  ): ManifestBody {
    const { id, body } = this.#image;
    const tag = byteStringFromText(REPAIRED_TAG);
    return {
      ...body,
      tags: body.tags.includes(tag) ? body.tags : [...body.tags, tag],
      started,
      ended: this.#clock.now(),
      program: byteStringFromText(this.#options.program),
      base: id,
      original: id,
      filesNew: 0,
      filesChanged: partial,
      filesUnmodified: files - partial,
      foldersNew: 0,
      foldersChanged: 0,
      foldersUnmodified: folders,
      bytesProcessed: bytes,
      filesProcessed: files,
      bytesAdded,
      bytesAddedStored,
      warningCount: lost.length,
      warnings: lost.slice(0, WARNINGS_MAX).map((part) => ({ path: part.path, message: messageOf(part) })),
    };
  }

  /** Whether the old image is forgotten: a hold or a lock stands above a repair. */
  async #forget(repairedAs: Made): Promise<boolean> {
    const { session, dataset } = this.#image.header;
    const state = await decideRetention(this.#repository.store, this.#clock, (before) => {
      const now = this.#clock.now();
      const stays =
        before.isForgotten(session) ||
        // Somebody forgot the repaired one meanwhile: then this one is all that is left.
        before.isForgotten(repairedAs.session) ||
        before.hold(session, now) !== undefined ||
        before.lock(dataset, now) > 0;
      const note = byteStringFromText(`repaired as ${shortId(repairedAs.id)}`);
      return stays ? [] : [{ kind: DecisionKind.forget, subject: session, until: 0, note }];
    });
    return state.isForgotten(session);
  }
}

/** An image that a repair made. */
interface Made {
  readonly id: Uint8Array;
  readonly session: Uint8Array;
}

const WARNINGS_MAX = 1000;

function messageOf({ kind, entries, bytesLost, size }: LostPart): ByteString {
  if (kind === 'content') return `lost ${bytesLost} of ${size} bytes`;
  return kind === 'attributes' ? 'lost the attributes of the folder' : `lost ${entries} entries from here on`;
}

import { type ByteString, EverfullError } from '../base/mod.ts';
import { type Catalog, type CatalogEntry, type CatalogImage, withCatalog } from '../catalog/mod.ts';
import type { Image } from '../repository/mod.ts';
import type { OperationContext } from './context.ts';
import { compileFindPattern } from './find-pattern.ts';
import { selectImages } from './images.ts';
import { indexRootOf, nodesOf, shortId, untilInterrupted } from './reading.ts';

export interface FindOptions {
  /** See {@link compileFindPattern}; an entry matches if any of them does. */
  readonly patterns?: readonly ByteString[] | undefined;
  /** The first hexadecimal digits of the fingerprint that a file must have; with patterns, both must hold. */
  readonly fingerprint?: string | undefined;
  readonly ignoreCase?: boolean | undefined;
  /** Bounds of the mtime, both included, ms since 1970. */
  readonly oldest?: number | undefined;
  readonly newest?: number | undefined;
  /** Where to search, and in which order, as `selectImages` gave them; without it everywhere, the newest first. */
  readonly images?: readonly Image[] | undefined;
}

/** What was found in one image. */
export interface ImageMatches {
  readonly image: Image;
  /** At least 1. */
  readonly hits: number;
  /** In key order. To be read before the next image is asked for. */
  readonly matches: AsyncIterable<CatalogEntry>;
}

/**
 * Finds entries in all images, through a catalog in the state folder that is brought up to date first.
 * An image that cannot be read is reported as a problem and left out.
 *
 * Rejects with 'usage' for a pattern or fingerprint that makes no sense, with 'interrupted', and with what
 * reading the repository rejects with.
 */
export async function* find(context: OperationContext, options: FindOptions): AsyncGenerator<ImageMatches> {
  const { fingerprint, ignoreCase = false, oldest, newest } = options;
  const patterns = options.patterns?.length
    ? options.patterns.map((pattern) => compileFindPattern(pattern, { ignoreCase }))
    : undefined;
  if (patterns === undefined && fingerprint === undefined) {
    throw new EverfullError('usage', 'Could not search: neither a pattern nor a fingerprint was given', {
      advice: "Use '*' to find everything.",
    });
  }
  if (fingerprint !== undefined && !/^[0-9a-f]{1,64}$/i.test(fingerprint)) {
    throw new EverfullError(
      'usage',
      `Could not use "${fingerprint}" as a fingerprint: it is not 1 to 64 hexadecimal digits`,
      {
        advice: 'See the fingerprints of an image with: everfull ls --json IMAGE',
      },
    );
  }
  const all = await imagesOf(context, options.images !== undefined);
  const wanted = options.images ?? all.toReversed();
  const images = wanted.map(catalogImageOf);
  const query = { images, patterns, fingerprint: fingerprint?.toLowerCase(), oldest, newest };
  await using found = await withCatalog(context.stateFolder, context, async (catalog) => {
    await update(context, catalog, all);
    return catalog.find(query);
  });
  for (const [index, image] of wanted.entries()) {
    const hits = await found.count(images[index]!);
    if (hits > 0)
      yield { image, hits, matches: untilInterrupted(context.signal, found.entries(images[index]!)) };
  }
}

/** All images, since the catalog drops what is not among them. Whoever selected some has reported those that are damaged. */
function imagesOf(context: OperationContext, reported: boolean): Promise<Image[]> {
  return selectImages(reported ? { ...context, problem: () => {} } : context);
}

async function update(context: OperationContext, catalog: Catalog, images: readonly Image[]): Promise<void> {
  let errors = 0;
  await catalog.update(images.map(catalogImageOf), nodesOf(context.repository), {
    signal: context.signal,
    progress: (entries) => context.progress({ filesDone: entries, bytesDone: 0, errors }),
    unreadable: ({ id }, error) => {
      errors++;
      context.problem({ item: `image ${shortId(id)}`, during: 'read', error });
    },
  });
}

function catalogImageOf(image: Image): CatalogImage {
  const { id, header } = image;
  return { id, dataset: header.dataset, sequence: header.sequence, root: indexRootOf(image) };
}

import { posix } from 'node:path';
import { type ByteString, EverfullError, hexOf } from '../base/mod.ts';
import type { Image } from '../repository/mod.ts';
import type { OperationContext } from './context.ts';
import { hasTags } from './forgetting/mod.ts';
import { keepKnownImages, readKnownImages } from './known-images.ts';

/** What narrows the images that are meant. What is left out does not narrow. Times are ms since 1970. */
export interface ImageFilter {
  /** Only images of before this time. */
  readonly before?: number | undefined;
  /** Only images of this time and after. */
  readonly after?: number | undefined;
  /** Only images of this time and before. */
  readonly at?: number | undefined;
  /** Images of any of these hosts. */
  readonly host?: readonly ByteString[] | undefined;
  /** Images of all of these paths. */
  readonly path?: readonly ByteString[] | undefined;
  /** Each a list of tags with commas: images that have every tag of any of the lists. An empty list means no tags. */
  readonly tag?: readonly ByteString[] | undefined;
}

export interface ImageSelection extends ImageFilter {
  /** The so many newest of every dataset. */
  readonly latest?: number | undefined;
}

/** What a user named: an image, and a path where one was given. */
export interface ResolvedImage {
  readonly image: Image;
  readonly path: ByteString | undefined;
}

/** How many images an error about an ambiguous id names. */
const CANDIDATES_MAX = 10;

/** The images that `selection` leaves, oldest first. Those that cannot be read are reported as problems. */
export async function selectImages(
  context: OperationContext,
  selection: ImageSelection = {},
): Promise<Image[]> {
  const images = await allImages(context);
  const selected = images.filter((image) => isSelected(image, selection));
  return selection.latest === undefined ? selected : newestOfEach(selected, selection.latest);
}

/** Every image, oldest first. Those that cannot be read are reported as problems. */
async function allImages(context: OperationContext): Promise<Image[]> {
  const known = readKnownImages(context.stateFolder);
  const before = new Set(known.keys());
  const images = await context.repository.images(
    ({ object, error }) => context.problem({ item: object, during: 'read', error }),
    known,
  );
  const isSame = known.size === before.size && [...before].every((name) => known.has(name));
  if (!isSame) keepKnownImages(context, known);
  return images;
}

/**
 * The image that `spec` means: `ID-PREFIX[:PATH]`, `latest[:PATH]` or `latest~N[:PATH]`, of those that
 * `filter` leaves. Rejects with 'usage', 'image-missing' or 'image-ambiguous'.
 *
 * @param spec a byte string, since paths are bytes
 */
export async function resolveImage(
  context: OperationContext,
  spec: ByteString,
  filter: ImageFilter = {},
): Promise<ResolvedImage> {
  const colon = spec.indexOf(':');
  const name = colon < 0 ? spec : spec.slice(0, colon);
  const path = colon < 0 || colon === spec.length - 1 ? undefined : absolutePath(spec.slice(colon + 1));
  const { header } = imageNamed(await selectImages(context, filter), name);
  // What is read by it must come from the store, not from what was kept of it.
  return { image: await context.repository.image(header.session), path };
}

/** `path` without `.`, `..` and doubled slashes; one that does not begin with a slash is meant from the root. */
export function absolutePath(path: ByteString): ByteString {
  const normal = posix.normalize(`/${path}`);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}

/**
 * The image of `images`, oldest first, that is named by the beginning of its id, `latest` or `latest~N`.
 * Throws 'usage', 'image-missing' or 'image-ambiguous'.
 */
export function imageNamed(images: readonly Image[], name: string): Image {
  const latest = /^latest(?:~(\d{1,9}))?$/.exec(name);
  if (latest !== null) {
    const image = images[images.length - 1 - Number(latest[1] ?? 0)];
    if (image === undefined) {
      const state = images.length === 0 ? 'there are none' : `there are ${images.length}`;
      throw missing(name, `${state} that fit`);
    }
    return image;
  }
  if (!/^[0-9a-f]{1,64}$/i.test(name)) {
    throw new EverfullError(
      'usage',
      `Could not use "${name}" as an image: it is no id's beginning, nor "latest" or "latest~N"`,
      { advice: 'See the ids with: everfull images' },
    );
  }
  const matches = images.filter(({ id }) => hexOf(id).startsWith(name.toLowerCase()));
  if (matches.length === 0) throw missing(name, 'no id begins so');
  if (matches.length > 1) {
    const shown = matches
      .slice(0, CANDIDATES_MAX)
      .map(
        ({ id, body }) =>
          `${hexOf(id).slice(0, Math.max(8, name.length + 4))} (${new Date(body.time).toISOString()})`,
      );
    const more = matches.length > shown.length ? ` and ${matches.length - shown.length} more` : '';
    throw new EverfullError(
      'image-ambiguous',
      `Could not choose an image by "${name}": ${shown.join(', ')}${more} begin so`,
      {
        context: { name, matches: matches.length },
        advice: 'Give more digits of the id.',
      },
    );
  }
  return matches[0]!;
}

function missing(name: string, state: string): EverfullError {
  return new EverfullError('image-missing', `Could not find image "${name}": ${state}`, {
    context: { name },
    advice:
      'See all images with: everfull images; if --at, --host, --path or --tag were given, they may leave it out.',
  });
}

/** Whether the filter leaves an image. */
export function isSelected({ body }: Image, { before, after, at, host, path, tag }: ImageFilter): boolean {
  return (
    (before === undefined || body.time < before) &&
    (after === undefined || body.time >= after) &&
    (at === undefined || body.time <= at) &&
    (host === undefined || host.length === 0 || host.includes(body.host)) &&
    (path === undefined || path.every((wanted) => body.paths.includes(absolutePath(wanted)))) &&
    (tag === undefined || tag.length === 0 || tag.some((list) => hasTags(body.tags, list)))
  );
}

function newestOfEach(images: readonly Image[], count: number): Image[] {
  const taken = new Map<string, number>();
  const newest = images.toReversed().filter(({ header }) => {
    const dataset = hexOf(header.dataset);
    const before = taken.get(dataset) ?? 0;
    taken.set(dataset, before + 1);
    return before < count;
  });
  return newest.reverse();
}

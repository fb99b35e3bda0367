import { type ByteString, EverfullError, hexOf, isEverfullError } from '../../base/mod.ts';

/** An image that a damaged object touches. */
export interface TouchedImage {
  /** 64 hexadecimal digits. */
  readonly id: string;
  /** The first paths of it that cannot be read whole, in key order; none where the whole image is meant. */
  readonly paths: readonly ByteString[];
  /** How many there are. */
  readonly pathCount: number;
}

export interface Finding {
  /** A note is nothing to worry about: what an interrupted backup leaves behind. */
  readonly kind: 'error' | 'note';
  /** The name of an object, or a few words where no object can be named. */
  readonly object: string;
  readonly error: EverfullError;
  /** Every image that the object touches, oldest first. */
  readonly images: readonly TouchedImage[];
}

/** How many paths of an image are named for one object. */
export const PATHS_NAMED_MAX = 100;

interface Touched {
  readonly paths: ByteString[];
  pathCount: number;
}

/** Gathers what a check finds. */
export class Findings {
  readonly #found = new Map<string, Omit<Finding, 'images'>>();
  readonly #touched = new Map<string, Map<string, Touched>>();

  add(kind: Finding['kind'], object: string, error: EverfullError): void {
    this.#found.set(`${object}\n${error.message}`, { kind, object, error });
  }

  has(object: string): boolean {
    for (const finding of this.#found.values())
      if (finding.kind === 'error' && finding.object === object) return true;
    return false;
  }

  /** Notes that `object` touches an image, and a path of it where one is known. */
  touch(object: string, image: Uint8Array, path?: ByteString, count = 1): void {
    const images = entryOf(this.#touched, object, () => new Map<string, Touched>());
    const touched = entryOf(images, hexOf(image), () => ({ paths: [], pathCount: 0 }));
    if (path === undefined) return;
    touched.pathCount += count;
    if (touched.paths.length < PATHS_NAMED_MAX) touched.paths.push(path);
  }

  /**
   * Runs `work`; what goes wrong with the object becomes a finding, so that one bad object hides no other.
   * Resolves to undefined then.
   */
  async guard<T>(object: string, work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!isEverfullError(error) || error.code === 'interrupted') throw error;
      this.add('error', object, error);
      return undefined;
    }
  }

  damaged(object: string, why: string): void {
    this.add('error', object, new EverfullError('damaged', `Could not accept "${object}": ${why}`));
  }

  forged(object: string, why: string): void {
    this.add('error', object, new EverfullError('forged', `Could not accept "${object}": ${why}`));
  }

  missing(object: string, why: string): void {
    this.add('error', object, new EverfullError('object-missing', `Could not find "${object}": ${why}`));
  }

  note(object: string, message: string): void {
    this.add('note', object, new EverfullError('object-missing', message));
  }

  /**
   * Errors first, then by object and message.
   *
   * @param imageOrder ids, hexadecimal, oldest first
   */
  finish(imageOrder: readonly string[]): Finding[] {
    const order = new Map(imageOrder.map((id, i) => [id, i]));
    const place = (id: string) => order.get(id) ?? order.size;
    return [...this.#found.values()]
      .map((finding) => ({
        ...finding,
        images: finding.kind === 'note' ? [] : this.#imagesOf(finding.object, place),
      }))
      .sort(
        (a, b) =>
          compare(a.kind, b.kind) || compare(a.object, b.object) || compare(a.error.message, b.error.message),
      );
  }

  #imagesOf(object: string, place: (id: string) => number): TouchedImage[] {
    return [...(this.#touched.get(object) ?? [])]
      .map(([id, { paths, pathCount }]) => ({ id, paths, pathCount }))
      .sort((a, b) => place(a.id) - place(b.id) || compare(a.id, b.id));
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function entryOf<V>(map: Map<string, V>, key: string, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

import { EverfullError } from '../base/mod.ts';

/**
 * Where a repository keeps its objects: named, immutable runs of bytes, with one exception
 * (`replace`). Every implementation and every wrapper passes the suite in `contract.ts`.
 *
 * What a store promises:
 * - An object is visible whole or not at all, to every reader, at every moment, also after a crash of
 *   the writer or of the machine.
 * - What a resolved `putIfAbsent` or `replace` wrote survives a power cut. A rejected one may have
 *   taken effect or not, but never by halves.
 * - 'object-missing' is a definite answer of the store. A store that cannot be reached, was unmounted
 *   or refuses access says 'io'. A write that found no room says 'disk-full'.
 * - A store does not retry. Errors for which repeating the same call may help answer to `isTransient`.
 * - Calls may run at the same time, from many processes. Parts may not be changed before a put settles;
 *   bytes that `get` returned belong to the caller.
 *
 * What a caller promises: no object's name is a folder of another's (`a` and `a/b`), and a name
 * that was `replace`d is not used with `putIfAbsent` any more.
 */
export interface ObjectStore {
  /** Where it is, for messages; never holds credentials. */
  readonly location: string;

  /**
   * Writes `parts`, one after another, as a new object. Of puts of one name that race, exactly one
   * resolves. Rejects with 'object-exists' when there is an object of that name, which is then as
   * durable as if this call had written it.
   */
  putIfAbsent(name: string, parts: readonly Uint8Array[]): Promise<void>;

  /** Writes `parts` in place of the object, or as a new one; readers see the old or the new one whole. */
  replace(name: string, parts: readonly Uint8Array[]): Promise<void>;

  /**
   * The whole object or a range of it, never fewer bytes than asked for. Rejects with 'object-missing';
   * 'damaged' when the object ends before the range does; 'limit' when more than `limit` bytes would
   * have to be returned, before any is read.
   */
  get(name: string, options?: GetOptions): Promise<Uint8Array>;

  /** The object's length in bytes. Rejects with 'object-missing'. */
  size(name: string): Promise<number>;

  /**
   * Every object whose name begins with `prefix`, in any order. One that is there during the whole
   * listing comes exactly once; one put or deleted meanwhile may come or not.
   */
  list(prefix: string, options?: ListOptions): AsyncIterable<ListedObject>;

  /** Removes the object, if there is one. Not made durable: after a power cut it may be back. */
  delete(name: string): Promise<void>;

  /**
   * Removes those of the objects that are there. When it resolves, they are gone also after a power cut,
   * whoever deleted them. When it rejects, some may be gone.
   */
  deleteDurably(names: readonly string[]): Promise<void>;

  /**
   * What the program calls itself on which the store's promises rest; only where that is somebody else's,
   * which may not keep them: `probeStore` finds out.
   */
  engine?(): string;

  /** Releases what the store holds, once all other calls have settled. */
  close(): Promise<void>;
}

export interface GetOptions {
  readonly range?: ByteRange;
  /** The most bytes that may be returned. */
  readonly limit?: number;
  /**
   * Memory that the answer may be put into, if it is long enough: new memory for each of many long objects
   * costs more than to read them. Its old contents are lost, and so is the answer when it is used again.
   */
  readonly memory?: Uint8Array | undefined;
}

export interface ListOptions {
  /** False where only names are wanted, which costs some stores much less: a size may then be 0. */
  readonly sizes?: boolean;
}

/** In bytes from the start of the object. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface ListedObject {
  readonly name: string;
  /** In bytes. */
  readonly size: number;
}

/** Leaves room below the 255 bytes of a file name and the 1,024 of an S3 key for a store's own prefix. */
export const NAME_LENGTH_MAX = 200;

/** The first component that names may not have: the folder store writes there. */
export const TEMPORARY = 'tmp';

/**
 * Whether `name` may name an object: components of `a-z 0-9 - . _` that begin with a letter or digit,
 * joined by `/`. So a name is the same on file systems that fold case, is no hidden file, and leads
 * nowhere outside the store.
 */
export function isObjectName(name: string): boolean {
  return (
    name.length <= NAME_LENGTH_MAX &&
    /^[a-z0-9][a-z0-9._-]*(\/[a-z0-9][a-z0-9._-]*)*$/.test(name) &&
    !name.includes('..') &&
    name !== TEMPORARY &&
    !name.startsWith(`${TEMPORARY}/`)
  );
}

/** Throws a plain error, since names are made by the program, unless `name` may name an object. */
export function checkObjectName(name: string): void {
  if (!isObjectName(name)) throw new Error(`cannot use the object name "${name}": not a valid name`);
}

/** Throws a plain error unless some object's name could begin with `prefix`. */
export function checkPrefix(prefix: string): void {
  if (prefix !== '' && !isObjectName(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix)) {
    throw new Error(`cannot list by the prefix "${prefix}": no valid name begins with it`);
  }
}

/** Whether repeating the call that failed with `error` may help. Stores say so in the error's context. */
export function isTransient(error: unknown): boolean {
  return error instanceof EverfullError && error.context.transient === true;
}

/** Where `name` lies: what comes before its last `/`, or '' for the root. */
export function folderOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf('/')));
}

export function byteLengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

/**
 * The part of an object of `size` bytes that `options` ask for. Throws 'damaged' and 'limit' as `get`
 * promises; every store begins its `get` with it.
 */
export function rangeToRead(name: string, size: number, { range, limit }: GetOptions): ByteRange {
  const { offset, length } = range ?? { offset: 0, length: size };
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) {
    throw new Error(`cannot read "${name}": the range ${offset}+${length} is not made of sizes`);
  }
  if (limit !== undefined && length > limit) {
    throw new EverfullError(
      'limit',
      `cannot read object "${name}": ${length} bytes, at most ${limit} allowed`,
      {
        context: { name, length, limit },
      },
    );
  }
  if (offset + length > size) throw tooShort(name, offset + length, size);
  return { offset, length };
}

export function tooShort(name: string, wanted: number, size: number): EverfullError {
  return new EverfullError(
    'damaged',
    `cannot read object "${name}": it ends at ${size}, wanted up to ${wanted}`,
    {
      context: { name, wanted, size },
    },
  );
}

export function objectMissing(name: string, location: string): EverfullError {
  return new EverfullError(
    'object-missing',
    `cannot find object "${name}" in "${location}": it does not exist`,
    {
      context: { name, location },
    },
  );
}

export function objectExists(name: string, location: string): EverfullError {
  return new EverfullError(
    'object-exists',
    `cannot put object "${name}" in "${location}": it exists already`,
    {
      context: { name, location },
    },
  );
}

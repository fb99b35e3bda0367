import type { ByteString } from '../base/mod.ts';
import type { EntryType } from '../format/mod.ts';
import type { NodeSource, TreeRoot } from '../image/mod.ts';

/**
 * The catalog answers in which images a path or a file's bytes occur, without reading the images.
 *
 * It holds **versions**: one path of one dataset in one state, from the image where it first had it up to
 * the image where it no longer has. An image that equals the one before it adds nothing. All of it is
 * derived from the images, so a catalog may be lost or thrown away at any time.
 */
export interface Catalog {
  /**
   * Makes the catalog hold exactly `images`: those it lacks are read, the first of a dataset whole, the
   * others as what differs from the image before; those that are not among them are dropped. One image
   * is added whole or not at all, and what was added before a failure stays.
   *
   * An image that cannot be read is given to `unreadable`, left out, and tried again the next time.
   * Rejects with 'interrupted' when the signal is aborted, and with what `source` rejects with else.
   */
  update(images: readonly CatalogImage[], source: NodeSource, options: UpdateOptions): Promise<void>;

  /** What `query` matches in those of its images that the catalog holds. It outlives the catalog. */
  find(query: CatalogQuery): Promise<Found>;
}

/** An image as the catalog needs it. */
export interface CatalogImage {
  readonly id: Uint8Array;
  readonly dataset: Uint8Array;
  readonly sequence: number;
  readonly root: TreeRoot;
}

export interface UpdateOptions {
  readonly signal: AbortSignal;
  /** Called now and then, with how many entries were looked at so far. */
  progress?(entries: number): void;
  unreadable(image: CatalogImage, error: Error): void;
}

/** What a path must be like. Several patterns match what any of them matches. */
export interface PathPattern {
  /** The only base name that can match, where there is only one: it is looked up instead of searched. */
  readonly literal?: ByteString | undefined;
  matchesName(name: ByteString): boolean;
  /** @param folder the path of the folder that the name is in; `/` for the root */
  matchesFolder(folder: ByteString): boolean;
}

/** All that is given must hold. */
export interface CatalogQuery {
  readonly images: readonly CatalogImage[];
  /** Undefined: any path. */
  readonly patterns?: readonly PathPattern[] | undefined;
  /** The first digits of a fingerprint, lower-case hexadecimal. */
  readonly fingerprint?: string | undefined;
  /** Bounds of the mtime, both included, ms since 1970. */
  readonly oldest?: number | undefined;
  readonly newest?: number | undefined;
}

/** An entry as the catalog knows it. The root folder, which has no name, is never among them. */
export interface CatalogEntry {
  readonly path: ByteString;
  readonly type: EntryType;
  /** 12 permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes; 0 for what is no file. */
  readonly size: number;
  /** Seconds since 1970, possibly negative; the nanoseconds are added to them. */
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  /** Files: 32 bytes. */
  readonly fingerprint: Uint8Array | undefined;
}

/** The matches of a query, kept in a private file that vanishes when it is closed. */
export interface Found extends AsyncDisposable {
  /** How many entries of `image` match; none where the catalog does not hold the image. */
  count(image: CatalogImage): Promise<number>;
  /** These entries in key order. */
  entries(image: CatalogImage): AsyncIterable<CatalogEntry>;
}

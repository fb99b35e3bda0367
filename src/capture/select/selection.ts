import { type ByteString, equalBytes } from '../../base/mod.ts';
import { CACHE_MARKER, type Marker } from './markers.ts';
import { compilePatterns, escapePattern, type PatternList } from './patterns.ts';

export interface ExcludeOptions {
  /** Patterns, see `compilePatterns`; those of exclude files (`parseExcludeFile`) come after the others. */
  readonly excludes?: readonly ByteString[];
  /** Patterns that ignore case. */
  readonly iexcludes?: readonly ByteString[];
}

/**
 * Patterns of both kinds. As in restic they are two lists: a path is excluded if either says so, and a
 * `!` takes back only what its own list matched.
 */
export class Excludes {
  readonly #lists: readonly PatternList[];

  constructor(...lists: PatternList[]) {
    this.#lists = lists.filter((list) => !list.isEmpty);
  }

  get isEmpty(): boolean {
    return this.#lists.length === 0;
  }

  /** Whether a list matches `path`: absolute, no slash at its end. */
  matches(path: ByteString): boolean {
    for (const list of this.#lists) {
      if (list.matches(path)) return true;
    }
    return false;
  }
}

/** Throws `usage` for a pattern that is not well-formed. */
export function compileExcludes({ excludes = [], iexcludes = [] }: ExcludeOptions): Excludes {
  return new Excludes(compilePatterns(excludes), compilePatterns(iexcludes, { ignoreCase: true }));
}

export interface SelectionOptions extends ExcludeOptions {
  /** Absolute paths, taken literally, that no `!` brings back: what the backup itself writes. */
  readonly ownPaths?: readonly ByteString[];
  readonly excludeCaches?: boolean;
  readonly excludeIfPresent?: readonly Marker[];
  /** Bytes. */
  readonly excludeLargerThan?: number;
  readonly oneFileSystem?: boolean;
}

/**
 * Gives the first bytes of the file `name` of the folder in question: `length` of them, fewer if the file
 * ends before, none if it cannot be read or is no regular file (which the reader reports).
 */
export type ReadHeader = (name: ByteString, length: number) => Uint8Array | undefined;

/**
 * What a backup leaves out: pure rules, for a walk to ask. As restic does, a walk asks about every
 * entry, the paths given on the command line too; it does not look into a folder that is excluded, so
 * nothing below can be brought back; and it keeps the folders above a given path whatever the rules say.
 */
export class Selection {
  /** The names to look for in a listing, and what the files must begin with. */
  readonly markers: readonly Marker[];
  readonly oneFileSystem: boolean;
  /** What it was made of. */
  readonly options: SelectionOptions;
  readonly #excludes: Excludes;
  readonly #sizeMax: number;

  /** Throws `usage` for a pattern that is not well-formed. */
  constructor(options: SelectionOptions = {}) {
    const { excludes = [], iexcludes = [], ownPaths = [], excludeIfPresent = [] } = options;
    this.options = options;
    this.#excludes = new Excludes(
      compilePatterns(ownPaths.map(escapePattern)),
      compilePatterns(excludes),
      compilePatterns(iexcludes, { ignoreCase: true }),
    );
    this.markers = options.excludeCaches ? [...excludeIfPresent, CACHE_MARKER] : excludeIfPresent;
    this.oneFileSystem = options.oneFileSystem ?? false;
    this.#sizeMax = options.excludeLargerThan ?? Number.POSITIVE_INFINITY;
  }

  /** Whether the patterns leave out `path`: absolute, no slash at its end. */
  excludesPath(path: ByteString): boolean {
    return this.#excludes.matches(path);
  }

  /** Whether an entry of this size (as lstat gives it) is left out. For everything but folders. */
  excludesSize(size: number | bigint): boolean {
    return size > this.#sizeMax;
  }

  /**
   * Whether `--one-file-system` leaves out an entry on `device`, where the given path that it was reached
   * from (the nearest one above it) is on `rootDevice`. A folder of another device whose parent is not is a
   * mount point: it is kept, but what is in it is left out.
   */
  excludesDevice(device: number | bigint, rootDevice: number | bigint): boolean {
    return this.oneFileSystem && device !== rootDevice;
  }

  /**
   * The markers that hold in a folder; `leavesOut` says what they mean for an entry of it.
   * `hasName` answers for everything that lies in the folder, also for what other rules leave out.
   */
  markersIn(hasName: (name: ByteString) => boolean, readHeader: ReadHeader): readonly Marker[] {
    return this.markers.filter(({ name, header }) => {
      if (!hasName(name)) return false;
      if (header === undefined) return true;
      const start = readHeader(name, header.length);
      return start !== undefined && equalBytes(header, start.subarray(0, header.length));
    });
  }
}

/**
 * Whether an entry called `name` is left out of a folder in which `markers` hold. A marker spares itself
 * and nothing else, so two different ones leave each other out.
 */
export function leavesOut(markers: readonly Marker[], name: ByteString): boolean {
  return markers.some((marker) => marker.name !== name);
}

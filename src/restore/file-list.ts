import type { ByteString } from '../base/mod.ts';
import { decodeEntry, type Entry } from '../format/mod.ts';

/** What a worker is to do with a file; and what one found when it looked. */
export const FileState = {
  /** Nothing is there, and the folder was made by this restore. */
  fresh: 0,
  /** Nothing is there. */
  missing: 1,
  /** Something that is no folder is there, to be replaced as a whole. */
  replace: 2,
  /** A file is there that may be partly right, to be changed in place. */
  inPlace: 3,
  /** The same with further names: to be changed by a new file in its place, if it is not right. */
  shared: 4,
  /** It is right. */
  right: 5,
  /** It is not to be touched. */
  kept: 6,
  /** A folder that is not empty is there. */
  blocked: 7,
  failed: 8,
} as const;
export type FileState = (typeof FileState)[keyof typeof FileState];

/** A slice of a file's content: which frame of the task, where in its chunk, how long, where in the file. */
export const PIECE_FIELDS = 4;

/**
 * Files for a worker, laid out in few large parts: cloning a million small objects from thread to
 * thread would cost more than restoring them.
 */
export interface FileList {
  readonly count: number;
  /** Folders below the target, each followed by a NUL. */
  readonly folders: ByteString;
  readonly folderOf: Uint32Array;
  /** Each followed by a NUL. */
  readonly names: ByteString;
  /** Encoded entries, one after another. */
  readonly entries: Uint8Array;
  readonly entryEnds: Uint32Array;
  /** PIECE_FIELDS numbers a piece. */
  readonly pieces: Float64Array;
  /** In pieces. */
  readonly pieceEnds: Uint32Array;
  readonly states: Uint8Array;
}

export interface ListedFile {
  readonly index: number;
  readonly folder: ByteString;
  readonly name: ByteString;
  readonly entry: Entry;
  readonly state: FileState;
  /** Slices as in `FileList.pieces`. */
  readonly pieces: Float64Array;
}

/** Where something goes: a folder below the target, '' for the target itself, and a name in it. */
export interface Place {
  readonly folder: ByteString;
  readonly name: ByteString;
}

export class FileListBuilder {
  readonly #folders: ByteString[] = [];
  readonly #folderOf: number[] = [];
  readonly #names: ByteString[] = [];
  readonly #entries: Uint8Array[] = [];
  readonly #entryEnds: number[] = [];
  readonly #pieces: number[] = [];
  readonly #pieceEnds: number[] = [];
  readonly #states: number[] = [];
  #bytes = 0;

  get count(): number {
    return this.#names.length;
  }

  add({ folder, name }: Place, entry: Uint8Array, state: FileState, pieces: readonly number[] = []): void {
    if (this.#folders.at(-1) !== folder) this.#folders.push(folder);
    this.#folderOf.push(this.#folders.length - 1);
    this.#names.push(name);
    this.#entries.push(entry);
    this.#bytes += entry.length;
    this.#entryEnds.push(this.#bytes);
    for (const field of pieces) this.#pieces.push(field);
    this.#pieceEnds.push(this.#pieces.length / PIECE_FIELDS);
    this.#states.push(state);
  }

  finish(): FileList {
    const entries = new Uint8Array(this.#bytes);
    let at = 0;
    for (const entry of this.#entries) {
      entries.set(entry, at);
      at += entry.length;
    }
    return {
      count: this.count,
      folders: joined(this.#folders),
      folderOf: Uint32Array.from(this.#folderOf),
      names: joined(this.#names),
      entries,
      entryEnds: Uint32Array.from(this.#entryEnds),
      pieces: Float64Array.from(this.#pieces),
      pieceEnds: Uint32Array.from(this.#pieceEnds),
      states: Uint8Array.from(this.#states),
    };
  }
}

function joined(texts: readonly ByteString[]): ByteString {
  return texts.length === 0 ? '' : `${texts.join('\0')}\0`;
}

/** A list of one. */
export function listOf(place: Place, entry: Uint8Array, state: FileState): FileList {
  const builder = new FileListBuilder();
  builder.add(place, entry, state);
  return builder.finish();
}

export function* filesOf(list: FileList): Generator<ListedFile> {
  const folders = list.folders.split('\0');
  const names = list.names.split('\0');
  for (let index = 0; index < list.count; index++) {
    const entryStart = index === 0 ? 0 : list.entryEnds[index - 1];
    const pieceStart = index === 0 ? 0 : list.pieceEnds[index - 1];
    yield {
      index,
      folder: folders[list.folderOf[index]],
      name: names[index],
      entry: decodeEntry(list.entries.subarray(entryStart, list.entryEnds[index])),
      state: list.states[index] as FileState,
      pieces: list.pieces.subarray(pieceStart * PIECE_FIELDS, list.pieceEnds[index] * PIECE_FIELDS),
    };
  }
}

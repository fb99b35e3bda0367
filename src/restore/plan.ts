import { type ByteString, isEverfullError } from '../base/mod.ts';
import { type Content, decodeEntry, entrySize } from '../format/mod.ts';
import { LOCKS } from './attributes.ts';
import { SLAB_BYTES } from './crew.ts';
import { FileState, type Place } from './file-list.ts';
import type { FrameRef } from './frames.ts';

/** A file, or another thing that is no folder, that is to be restored. Thousands are held at a time, so only what is asked of all of them is decoded. */
export interface WantedFile {
  /** In the image. */
  readonly path: ByteString;
  readonly place: Place;
  /** The encoded entry. */
  readonly value: Uint8Array;
  readonly content: Content | undefined;
  readonly size: number;
  readonly linkGroup: ByteString | undefined;
  /** Whether its flags forbid changes, and further names. */
  readonly isLocked: boolean;
  state: FileState;
}

/** Throws 'damaged' for what is no entry. */
export function wantedOf(path: ByteString, place: Place, value: Uint8Array): WantedFile {
  const entry = decodeEntry(value);
  const { content, linkGroup, inodeFlags } = entry;
  return {
    path,
    place,
    value,
    content,
    size: entrySize(entry),
    linkGroup,
    isLocked: (inodeFlags & LOCKS) !== 0,
    state: FileState.missing,
  };
}

/** Undefined where the entry is not one: that was named when it was first met. */
export function wantedIfSound(path: ByteString, place: Place, value: Uint8Array): WantedFile | undefined {
  try {
    return wantedOf(path, place, value);
  } catch (error) {
    if (!isEverfullError(error, 'damaged')) throw error;
    return undefined;
  }
}

/** A run of data: where it begins in the file, how long it is, and where it lies in which chunk. */
export interface Slice {
  readonly frame: FrameRef;
  readonly offset: number;
  readonly length: number;
  readonly position: number;
}

/** A file with all its data. */
export interface GatheredFile {
  readonly file: WantedFile;
  readonly slices: readonly Slice[];
}

/** Chunks that are fetched together, and what is made of them. */
export interface Batch<T> {
  readonly frames: FrameRef[];
  readonly items: { readonly item: T; readonly fields: readonly number[] }[];
}

/** Enough stored bytes that a read and a task are worth their overhead, and few enough that threads finish together. */
const BATCH_BYTES = 2 * 1024 * 1024;
/** Bounds the time of a task of tiny files. */
const BATCH_ITEMS_MAX = 1024;

/** Fills batches with items and the chunks they need; an item's chunks are all in its batch. */
export class Batcher<T> {
  readonly #bytesMax: number;
  #frames: FrameRef[] = [];
  #indexes = new Map<string, number>();
  #items: { item: T; fields: number[] }[] = [];
  #bytes = 0;

  constructor(bytesMax = BATCH_BYTES) {
    this.#bytesMax = bytesMax;
  }

  /** The batch that is full, if there is no more room for the item in it. Slices of one item must fit in a slab. */
  add(item: T, slices: readonly Slice[]): Batch<T> | undefined {
    let bytes = 0;
    const added = new Set<string>();
    for (const { frame } of slices) {
      if (this.#indexes.has(frame.key) || added.has(frame.key)) continue;
      added.add(frame.key);
      bytes += frame.length;
    }
    const isFull =
      this.#items.length > 0 &&
      ((bytes > 0 && this.#bytes + bytes > this.#bytesMax) || this.#items.length >= BATCH_ITEMS_MAX);
    const full = isFull ? this.finish() : undefined;
    const fields: number[] = [];
    for (const { frame, offset, length, position } of slices)
      fields.push(this.#index(frame), offset, length, position);
    this.#items.push({ item, fields });
    return full;
  }

  #index(frame: FrameRef): number {
    let index = this.#indexes.get(frame.key);
    if (index === undefined) {
      index = this.#frames.length;
      this.#frames.push(frame);
      this.#indexes.set(frame.key, index);
      this.#bytes += frame.length;
    }
    return index;
  }

  /** What is left. */
  finish(): Batch<T> | undefined {
    if (this.#items.length === 0) return undefined;
    const batch = { frames: this.#frames, items: this.#items };
    this.#frames = [];
    this.#indexes = new Map();
    this.#items = [];
    this.#bytes = 0;
    return batch;
  }
}

/** Whether the chunks of a file fit into one slab. */
export function fitsInSlab(slices: readonly Slice[]): boolean {
  const frames = new Map<string, number>();
  for (const { frame } of slices) frames.set(frame.key, frame.length);
  let bytes = 0;
  for (const length of frames.values()) bytes += length;
  return bytes <= SLAB_BYTES;
}

/**
 * Files in an order in which each chunk is needed once: by where their first chunk lies. Files that
 * share a chunk come together, wherever they are in the tree, and packs are read from front to back.
 */
export function batchesOf(files: readonly GatheredFile[]): Batch<WantedFile>[] {
  const packs = new Map<string, number>();
  for (const { slices } of files)
    if (slices.length > 0 && !packs.has(slices[0].frame.packKey))
      packs.set(slices[0].frame.packKey, packs.size);
  const placed = files.map((gathered) => {
    const first = gathered.slices[0]?.frame;
    return {
      gathered,
      pack: first === undefined ? -1 : packs.get(first.packKey)!,
      offset: first?.offset ?? 0,
    };
  });
  placed.sort((a, b) => a.pack - b.pack || a.offset - b.offset);
  const batcher = new Batcher<WantedFile>();
  const batches: Batch<WantedFile>[] = [];
  for (const { gathered } of placed) {
    const full = batcher.add(gathered.file, gathered.slices);
    if (full !== undefined) batches.push(full);
  }
  const rest = batcher.finish();
  if (rest !== undefined) batches.push(rest);
  return batches;
}

import { EverfullError, hexOf } from '../base/mod.ts';
import { expand } from '../chunk/mod.ts';
import { decodeContentNode, decodeFrame, FrameKind } from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import type { ChunkIndex } from './chunk-index.ts';
import { soundFrames } from './pack-reader.ts';
import { isLoss } from './pack-reading.ts';

/** A set of small numbers that grows by itself: one bit each. */
export class BitSet {
  #bits = new Uint8Array(1024);
  count = 0;

  has(number: number): boolean {
    return ((this.#bits[number >> 3] ?? 0) & (1 << (number & 7))) !== 0;
  }

  /** Whether it was not there. */
  add(number: number): boolean {
    if (this.has(number)) return false;
    const at = number >> 3;
    if (at >= this.#bits.length) {
      const grown = new Uint8Array(Math.max(this.#bits.length * 2, at + 1));
      grown.set(this.#bits);
      this.#bits = grown;
    }
    this.#bits[at]! |= 1 << (number & 7);
    this.count++;
    return true;
  }
}

/**
 * Marks what is below some roots, by the clear headers of the nodes: no key is needed. Each node is read
 * once, those of a pack together, and each is checked against its digest before it is believed.
 */
export class Marker {
  readonly #store: ObjectStore;
  readonly #index: ChunkIndex;
  readonly #signal: AbortSignal;
  #isTolerant = false;
  /** The first row, in the index, of each frame that is live. */
  readonly live = new BitSet();
  /** Of what need not be whole: below some of it nobody could look, so what is in it counts as not visited. */
  readonly #loose = new BitSet();
  /** Chunks that are live and in no pack: images that use them have lost them already. */
  readonly lost = new Set<string>();

  constructor(store: ObjectStore, index: ChunkIndex, signal: AbortSignal) {
    this.#store = store;
    this.#index = index;
    this.#signal = signal;
  }

  /**
   * Rejects with 'object-missing' or 'damaged' where a node cannot be read in any pack: what is below it
   * is not known then.
   *
   * @param options.isTolerant goes on without such nodes: for what need not be whole
   */
  async mark(roots: Iterable<Uint8Array>, options: { readonly isTolerant?: boolean } = {}): Promise<void> {
    this.#isTolerant = options.isTolerant ?? false;
    let level: number[] = [];
    for (const root of roots) this.#reach(root, true, level);
    while (level.length > 0) {
      this.#signal.throwIfAborted();
      const next: number[] = [];
      await this.#visit(level, next);
      level = next;
    }
  }

  /** Whether the frame of a first row is in use. */
  has(row: number): boolean {
    return this.live.has(row) || this.#loose.has(row);
  }

  #reach(id: Uint8Array, isNode: boolean, nodes: number[]): void {
    const row = this.#index.firstRow(id);
    if (row < 0) {
      if (isNode && !this.#isTolerant) throw missing(id);
      this.lost.add(hexOf(id));
    } else if (!(this.#isTolerant && this.live.has(row))) {
      const isNew = (this.#isTolerant ? this.#loose : this.live).add(row);
      if (isNew && this.#index.kindOf(row) !== FrameKind.chunk) nodes.push(row);
    }
  }

  /** Reads nodes, at the first of their places where they are sound. */
  async #visit(nodes: readonly number[], next: number[]): Promise<void> {
    /** For each node the row of the place to try. */
    let tries: readonly number[] = nodes;
    while (tries.length > 0) {
      const again: number[] = [];
      for (const [pack, rows] of this.#byPack(tries)) {
        this.#signal.throwIfAborted();
        const places = new Map(rows.map((row) => [hexOf(this.#index.place(row).id), row]));
        const failed = (id: Uint8Array, error: EverfullError) => {
          const other = this.#index.nextRow(places.get(hexOf(id))!);
          if (other >= 0) again.push(other);
          else if (!this.#isTolerant) throw unreadable(error);
        };
        try {
          const wanted = rows.map((row) => this.#index.place(row));
          for await (const frame of soundFrames(this.#store, this.#index.packs[pack], wanted)) {
            if ('error' in frame) failed(frame.row.id, frame.error);
            else this.#take(frame.bytes, next);
            places.delete(hexOf(frame.row.id));
          }
        } catch (error) {
          if (!isLoss(error)) throw error;
          for (const id of [...places.keys()]) failed(Buffer.from(id, 'hex'), error);
        }
      }
      tries = again;
    }
  }

  #byPack(rows: readonly number[]): [number, number[]][] {
    const packs = new Map<number, number[]>();
    for (const row of rows) {
      const pack = this.#index.packOf(row);
      const there = packs.get(pack);
      if (there === undefined) packs.set(pack, [row]);
      else there.push(row);
    }
    return [...packs].sort(([a], [b]) => a - b);
  }

  #take(bytes: Uint8Array, next: number[]): void {
    const { header, body } = decodeFrame(bytes);
    for (const { id } of header.chunks) this.#reach(id, false, next);
    for (const id of header.nodes) this.#reach(id, true, next);
    if (header.kind !== FrameKind.contentNode || header.nodes.length > 0) return;
    // Leaves of contents are clear and list nothing in their header.
    const node = decodeContentNode(expand(header.codec, body, header.plainLength));
    if (!('pieces' in node)) return;
    for (const { chunk } of node.pieces) if (chunk !== undefined) this.#reach(chunk, false, next);
  }
}

function missing(id: Uint8Array): EverfullError {
  return unreadable(
    new EverfullError('object-missing', `Could not find node ${hexOf(id).slice(0, 16)}: no pack has it`),
  );
}

/** Without a node nobody knows what is below it, so nothing at all may be deleted. */
function unreadable(cause: EverfullError): EverfullError {
  return new EverfullError(cause.code, `Could not tell what is in use: ${cause.message}`, {
    cause,
    advice:
      'Back up the same data again, which stores it anew, or see what is lost with: everfull repair images',
  });
}

import { type ByteString, bufferOf } from '../base/mod.ts';
import { decodeEntry, entrySize, FrameKind, pathOfKey } from '../format/mod.ts';
import { type NodeSource, readAhead, readIndexNode, type TreeRoot } from '../image/mod.ts';
import type { Image } from '../repository/mod.ts';
import type { OperationContext } from './context.ts';
import { indexRootOf, nodesOf, throwIfInterrupted } from './reading.ts';

/** Counts and bytes; the names that restic has too mean what they mean there. */
export interface Stats {
  readonly snapshots_count: number;
  /** Bytes of a restore of every image into a place of its own; hard links count once an image. */
  readonly total_size: number;
  /** Entries of every image. */
  readonly total_file_count: number;
  /** Plain bytes that backups found to be new, of all images of the repository. */
  readonly total_uncompressed_size: number;
  /** Of these, plain bytes a stored byte. */
  readonly compression_ratio: number;
  /** In per cent. */
  readonly compression_space_saving: number;
  /** `total_size` a plain byte stored. */
  readonly deduplication_ratio: number;
  /** Bytes of every object of the repository. */
  readonly stored_size: number;
  readonly objects_count: number;
  readonly packs_count: number;
  readonly packs_size: number;
  /** Frames by kind. */
  readonly total_blob_count: number;
  readonly chunks: FrameTotals;
  readonly index_nodes: FrameTotals;
  readonly content_nodes: FrameTotals;
}

export interface FrameTotals {
  readonly count: number;
  /** Bytes as stored. */
  readonly size: number;
}

/**
 * Figures of `images` and of the repository that they are in. Each index node is read once, however
 * many images share it. What was new is taken from the manifests: frames do not tell without being read.
 */
export async function repositoryStats(context: OperationContext, images: readonly Image[]): Promise<Stats> {
  const { repository } = context;
  const sums = new IndexSums(nodesOf(repository), context.signal);
  let size = 0;
  let count = 0;
  for (const image of images) {
    const sum = await sums.of(indexRootOf(image));
    size += sum.size;
    count += sum.count;
  }
  const all = await repository.images(({ object, error }) =>
    context.problem({ item: object, during: 'read', error }),
  );
  const plain = all.reduce((sum, { body }) => sum + body.bytesAdded, 0);
  const stored = all.reduce((sum, { body }) => sum + body.bytesAddedStored, 0);
  const objects = { objects_count: 0, stored_size: 0, packs_count: 0, packs_size: 0 };
  for await (const object of repository.store.list('')) {
    objects.objects_count++;
    objects.stored_size += object.size;
    if (!object.name.startsWith('packs/')) continue;
    objects.packs_count++;
    objects.packs_size += object.size;
  }
  const frames = frameTotals(repository.index.all());
  return {
    snapshots_count: images.length,
    total_size: size,
    total_file_count: count,
    total_uncompressed_size: plain,
    compression_ratio: stored === 0 ? 1 : plain / stored,
    compression_space_saving: plain === 0 ? 0 : (1 - stored / plain) * 100,
    deduplication_ratio: plain === 0 ? 1 : size / plain,
    ...objects,
    total_blob_count: frames.chunks.count + frames.index_nodes.count + frames.content_nodes.count,
    ...frames,
  };
}

function frameTotals(
  frames: Iterable<{ kind: FrameKind; length: number }>,
): Pick<Stats, 'chunks' | 'index_nodes' | 'content_nodes'> {
  const totals = {
    chunks: { count: 0, size: 0 },
    index_nodes: { count: 0, size: 0 },
    content_nodes: { count: 0, size: 0 },
  };
  for (const { kind, length } of frames) {
    const of =
      kind === FrameKind.chunk
        ? totals.chunks
        : kind === FrameKind.indexNode
          ? totals.index_nodes
          : totals.content_nodes;
    of.count++;
    of.size += length;
  }
  return totals;
}

interface Sum {
  readonly count: number;
  readonly size: number;
}

const NODES_AHEAD = 8;

/**
 * What is below each node, computed once a node: a hard link counts where it names its own group, so a
 * sum is the same in every image. Memory: about 150 bytes a node, which stands for some 50 entries.
 */
class IndexSums {
  readonly #source: NodeSource;
  readonly #signal: AbortSignal;
  readonly #known = new Map<ByteString, Sum>();

  constructor(source: NodeSource, signal: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
  }

  async of(root: TreeRoot): Promise<Sum> {
    const name = bufferOf(root.root).toString('latin1');
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    throwIfInterrupted(this.#signal);
    const node = await readIndexNode(this.#source, root);
    let count = 0;
    let size = 0;
    if ('children' in node) {
      const below = node.children.map(({ id, items, length }) => ({
        root: id,
        level: node.level - 1,
        items,
        length,
      }));
      const sums = readAhead(below, node.level === 1 ? NODES_AHEAD : 1, (child) => this.of(child));
      for await (const sum of sums) {
        count += sum.count;
        size += sum.size;
      }
    } else {
      count = node.items.length;
      for (const { key, value } of node.items) {
        const entry = decodeEntry(value);
        if (entry.linkGroup === undefined || entry.linkGroup === pathOfKey(key)) size += entrySize(entry);
      }
    }
    const sum = { count, size };
    this.#known.set(name, sum);
    return sum;
  }
}

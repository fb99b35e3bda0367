import { type ByteString, bufferOf, displayText, EverfullError, equalBytes, hexOf } from '../base/mod.ts';
import { type Content, ENTRY_ANCESTOR, type Entry, EntryType, FrameKind, type Piece } from '../format/mod.ts';
import { differingNodes, type EntryChange, type NodeSource, type TreeRoot } from '../image/mod.ts';
import type { Image, Repository } from '../repository/mod.ts';
import type { OperationContext } from './context.ts';
import { indexRootOf, nodesOf, readerOf, shortId, throwIfInterrupted } from './reading.ts';

export interface DiffOptions {
  /** Also what changed in mode, owner, times, attributes or links alone. */
  readonly metadata?: boolean | undefined;
  /** Only what is at this path and below it. */
  readonly path?: ByteString | undefined;
}

/** One path at which two images differ. */
export interface Change {
  readonly path: ByteString;
  /**
   * `+` added, `-` removed, or any of: `T` type changed, `M` content changed, `U` metadata changed; `?`
   * after an M whose size, time and other metadata are those of before: a sign of bit rot.
   */
  readonly modifier: string;
  readonly before: Entry | undefined;
  readonly after: Entry | undefined;
}

/** What one image has and the other has not. */
export interface DiffCounts {
  files: number;
  dirs: number;
  others: number;
  /** Chunks, of those that differing entries use. */
  data_blobs: number;
  /** Nodes of index and contents. */
  tree_blobs: number;
  /** As stored, of these chunks and nodes. */
  bytes: number;
}

export interface DiffStatistics {
  readonly source_snapshot: string;
  readonly target_snapshot: string;
  readonly changed_files: number;
  readonly added: DiffCounts;
  readonly removed: DiffCounts;
}

/**
 * What differs from image `before` to `after`, in key order; the generator returns the statistics, with
 * restic's names. Reads only nodes that the images do not share. Rejects with 'path-missing' where
 * neither image holds the path.
 */
export async function* diffImages(
  context: OperationContext,
  before: Image,
  after: Image,
  options: DiffOptions = {},
): AsyncGenerator<Change, DiffStatistics> {
  const { repository, signal } = context;
  const { path } = options;
  const [from, to] = [readerOf(repository, before), readerOf(repository, after)];
  if (
    path !== undefined &&
    (await from.lookUp(path)) === undefined &&
    (await to.lookUp(path)) === undefined
  ) {
    throw new EverfullError(
      'path-missing',
      `Could not compare "${displayText(path)}": neither image ${shortId(before.id)} nor ${shortId(after.id)} holds it`,
    );
  }
  const tally = new Tally(repository);
  for await (const change of from.compare(to, path)) {
    throwIfInterrupted(signal);
    await tally.add(change);
    const modifier = modifierOf(change, options.metadata ?? false);
    if (modifier !== '') yield { ...change, modifier };
  }
  // A part of an index is no tree of its own: nodes are counted for whole images only.
  if (path === undefined) await tally.addNodes(FrameKind.indexNode, indexRootOf(before), indexRootOf(after));
  return { source_snapshot: hexOf(before.id), target_snapshot: hexOf(after.id), ...tally.result() };
}

function modifierOf({ before, after }: EntryChange, metadata: boolean): string {
  if (before === undefined) return '+';
  if (after === undefined) return '-';
  const isOther = differsInMetadata(before, after);
  if (before.type !== after.type) return metadata && isOther ? 'TU' : 'T';
  if (differsInContent(before, after)) return isOther ? 'M' : 'M?';
  return metadata && isOther ? 'U' : '';
}

/** By fingerprint: the same bytes may be stored in other pieces. */
function differsInContent(a: Entry, b: Entry): boolean {
  return (
    a.fingerprint !== undefined && b.fingerprint !== undefined && !equalBytes(a.fingerprint, b.fingerprint)
  );
}

function differsInMetadata(a: Entry, b: Entry): boolean {
  // The times of a folder that was only on the way were not recorded.
  const haveTimes = !((a.flags | b.flags) & ENTRY_ANCESTOR);
  return (
    a.mode !== b.mode ||
    a.uid !== b.uid ||
    a.gid !== b.gid ||
    (haveTimes && (a.mtimeSeconds !== b.mtimeSeconds || a.mtimeNanoseconds !== b.mtimeNanoseconds)) ||
    a.inodeFlags !== b.inodeFlags ||
    a.linkGroup !== b.linkGroup ||
    a.target !== b.target ||
    a.deviceMajor !== b.deviceMajor ||
    a.deviceMinor !== b.deviceMinor ||
    a.xattrs.length !== b.xattrs.length ||
    a.xattrs.some(
      ({ name, value }, i) => name !== b.xattrs[i]!.name || !equalBytes(value, b.xattrs[i]!.value),
    )
  );
}

/** Gathers the statistics. Memory: the ids of chunks and nodes that one side uses and the other does not. */
class Tally {
  readonly #repository: Repository;
  readonly #source: NodeSource;
  readonly #counts = { before: noCounts(), after: noCounts() };
  readonly #chunks = { before: new Map<ByteString, Uint8Array>(), after: new Map<ByteString, Uint8Array>() };
  readonly #nodes = { before: new Map<ByteString, Uint8Array>(), after: new Map<ByteString, Uint8Array>() };
  #changedFiles = 0;

  constructor(repository: Repository) {
    this.#repository = repository;
    this.#source = nodesOf(repository);
  }

  async add({ before, after }: EntryChange): Promise<void> {
    if (before === undefined) this.#counts.after[categoryOf(after!)]++;
    else if (after === undefined) this.#counts.before[categoryOf(before)]++;
    else if (before.type === after.type && differsInContent(before, after)) this.#changedFiles++;
    const [old, fresh] = [rootOf(before?.content), rootOf(after?.content)];
    this.#addPieces('before', piecesOf(before?.content));
    this.#addPieces('after', piecesOf(after?.content));
    if (old !== undefined || fresh !== undefined) await this.addNodes(FrameKind.contentNode, old, fresh);
  }

  async addNodes(
    kind: typeof FrameKind.indexNode | typeof FrameKind.contentNode,
    before: TreeRoot | undefined,
    after: TreeRoot | undefined,
  ): Promise<void> {
    for await (const { side, id, node } of differingNodes(this.#source, kind, before, after)) {
      this.#nodes[side].set(bufferOf(id).toString('latin1'), id);
      if ('pieces' in node) this.#addPieces(side, node.pieces);
    }
  }

  #addPieces(side: 'before' | 'after', pieces: readonly Piece[]): void {
    for (const { chunk } of pieces)
      if (chunk !== undefined) this.#chunks[side].set(bufferOf(chunk).toString('latin1'), chunk);
  }

  result(): Omit<DiffStatistics, 'source_snapshot' | 'target_snapshot'> {
    for (const [side, other] of [
      ['before', 'after'],
      ['after', 'before'],
    ] as const) {
      const counts = this.#counts[side];
      for (const [blobs, ids] of [
        ['data_blobs', this.#chunks],
        ['tree_blobs', this.#nodes],
      ] as const) {
        for (const [name, id] of ids[side]) {
          if (ids[other].has(name)) continue;
          counts[blobs]++;
          counts.bytes += this.#repository.index.find(id)?.length ?? 0;
        }
      }
    }
    return { changed_files: this.#changedFiles, added: this.#counts.after, removed: this.#counts.before };
  }
}

function noCounts(): DiffCounts {
  return { files: 0, dirs: 0, others: 0, data_blobs: 0, tree_blobs: 0, bytes: 0 };
}

function categoryOf({ type }: Entry): 'files' | 'dirs' | 'others' {
  return type === EntryType.file ? 'files' : type === EntryType.folder ? 'dirs' : 'others';
}

function rootOf(content: Content | undefined): TreeRoot | undefined {
  return content !== undefined && 'root' in content ? content : undefined;
}

function piecesOf(content: Content | undefined): readonly Piece[] {
  return content === undefined || 'root' in content ? [] : content.pieces;
}

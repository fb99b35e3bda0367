import type { ByteString, EverfullError } from '../../base/mod.ts';
import type { DomainSecrets } from '../../crypto/mod.ts';
import {
  type Content,
  decodeEntry,
  type Entry,
  EntryType,
  encodeEntry,
  entrySize,
  FrameKind,
  type IndexItem,
  pathKeyOf,
  pathOfKey,
} from '../../format/mod.ts';
import { type NodeSink, type NodeSource, TreeBuilder, type TreeRoot } from '../../image/mod.ts';
import { isLoss } from '../../repository/mod.ts';
import { soundPieces, walkIndex } from '../../restore/mod.ts';
import { ContentPieces } from './content-pieces.ts';
import type { ImageLosses } from './image-losses.ts';
import { placeholder, surveyIndex } from './survey.ts';

/** Something of an image that no pack has any more. */
export interface LostPart {
  /**
   * `content`: bytes of a file. `entries`: so many entries, from a path on up to another, whatever they were.
   * `attributes`: those of a folder in which something is left.
   */
  readonly kind: 'content' | 'entries' | 'attributes';
  readonly path: ByteString;
  /** Of entries: the first path after them; undefined where they reach to the end of the image. */
  readonly to?: ByteString | undefined;
  readonly entries: number;
  /** Of a file: how many of its bytes are lost, and how many it had. */
  readonly bytesLost: number;
  readonly size: number;
  /** Where what is left of a file stands in the new image; undefined where it was left out. */
  readonly keptAs?: ByteString | undefined;
}

export interface RebuildOptions {
  readonly source: NodeSource;
  readonly losses: ImageLosses;
  readonly secrets: DomainSecrets;
  readonly sink: NodeSink;
  /** Keeps what is left of a file, with holes in place of what is lost, under another name. */
  readonly keepPartial: boolean;
  /** Waits while too much is on its way to the store; throws to end the work. */
  room(): Promise<void>;
}

export interface Rebuilt {
  readonly root: TreeRoot;
  readonly lost: readonly LostPart[];
  /** Entries that are no folders, and their bytes; folders; and how many files are there in part only. */
  readonly files: number;
  readonly bytes: number;
  readonly folders: number;
  readonly partial: number;
}

/** What a file that lost bytes is called in a repaired image. */
const SUFFIX = '.damaged';
/** Of a name, on Linux. */
const NAME_MAX = 255;

/**
 * Builds the index of an image anew from all of it that can be read. What is there is taken over exactly;
 * a file that lost bytes is left out, or kept in part; nothing is made up but folders without attributes
 * where a folder's own entry is lost and something in it is not.
 */
export function rebuildIndex(root: TreeRoot, options: RebuildOptions): Promise<Rebuilt> {
  return new Rebuild(options).run(root);
}

interface Held {
  key: ByteString;
  readonly entry: Entry;
  /** Of a file that is there in part. */
  readonly part: { keptAs?: ByteString | undefined } | undefined;
}

class Rebuild {
  readonly #options: RebuildOptions;
  readonly #seed: number;
  readonly #builder: TreeBuilder;
  readonly #lost: LostPart[] = [];
  /** Entries whose turn in the order of keys is yet to come. */
  readonly #held: Held[] = [];
  /** Of each group of hard links, by its old name, the first path that is left. */
  readonly #groups = new Map<ByteString, ByteString>();
  readonly #counts = { files: 0, bytes: 0, folders: 0, partial: 0 };

  constructor(options: RebuildOptions) {
    this.#options = options;
    this.#seed = options.secrets.boundaryKey.readUInt32LE(0);
    this.#builder = new TreeBuilder(FrameKind.indexNode, this.#seed, options.sink);
  }

  async run(root: TreeRoot): Promise<Rebuilt> {
    const { source, room } = this.#options;
    const { ranges, folders } = await surveyIndex(source, root, room);
    for (const { from, to, items } of ranges)
      this.#lost.push({ kind: 'entries', path: from, to, entries: items, bytesLost: 0, size: 0 });
    for (const path of folders) {
      this.#lost.push({ kind: 'attributes', path, entries: 1, bytesLost: 0, size: 0 });
      this.#hold({ key: pathKeyOf(path), entry: placeholder(), part: undefined });
    }
    for await (const items of walkIndex(source, root, {}, { reverse: false, onLost: unlessLoss })) {
      await room();
      for (const item of items) {
        this.#release(item.key);
        await this.#item(item);
      }
    }
    this.#release(undefined);
    return { root: this.#builder.finish(), lost: this.#lost, ...this.#counts };
  }

  async #item({ key, value }: IndexItem): Promise<void> {
    const entry = decodeEntry(value);
    if (entry.content !== undefined && this.#options.losses.isTouched(entry.content)) {
      const remains = await this.#remainsOf(entry.content);
      if (remains.lost.length > 0) {
        this.#takePart(key, entry, remains);
        return;
      }
    }
    const { linkGroup } = entry;
    if (linkGroup === undefined) {
      this.#add(key, entry, value);
      return;
    }
    const group = this.#groups.get(linkGroup) ?? pathOfKey(key);
    this.#groups.set(linkGroup, group);
    if (group === linkGroup) this.#add(key, entry, value);
    else this.#add(key, { ...entry, linkGroup: group });
  }

  #add(key: ByteString, entry: Entry, value: Uint8Array = encodeEntry(entry)): void {
    this.#builder.addEntry(key, value, entry.content);
    if (entry.type === EntryType.folder) this.#counts.folders++;
    else this.#counts.files++;
    this.#counts.bytes += entrySize(entry);
  }

  /** What of a content is there. */
  async #remainsOf(content: Content): Promise<Remains> {
    const { source, losses, sink, keepPartial } = this.#options;
    const pieces = new ContentPieces(this.#seed, sink);
    const lost: number[] = [];
    let bytesLost = 0;
    let bytesThere = 0;
    for await (const { position, length, piece, error } of soundPieces(source, content)) {
      if (error !== undefined && !isLoss(error)) throw error;
      if (piece !== undefined && !losses.isLost(piece)) {
        if (keepPartial) pieces.add(piece);
        if (piece.chunk !== undefined) bytesThere += length;
        continue;
      }
      if (keepPartial) pieces.add({ length, chunk: undefined, offset: 0 });
      lost.push(position, length);
      bytesLost += length;
    }
    return { lost, bytesLost, bytesThere, pieces };
  }

  #takePart(key: ByteString, entry: Entry, { lost, bytesLost, bytesThere, pieces }: Remains): void {
    const part: LostPart & { keptAs?: ByteString | undefined } = {
      kind: 'content',
      path: pathOfKey(key),
      entries: 1,
      bytesLost,
      size: entrySize(entry),
    };
    this.#lost.push(part);
    if (!this.#options.keepPartial || bytesThere === 0) return;
    // It must never be taken for the file that it was, nor for what is left of it elsewhere.
    const fingerprint = this.#options.secrets.longFingerprint([
      Buffer.from('what is left of a damaged file'),
      entry.fingerprint!,
      Buffer.from(lost.join()),
    ]);
    // Its other names are damaged likewise, and each stands for itself.
    const changed = { ...entry, fingerprint, content: pieces.finish(), linkGroup: undefined };
    this.#hold({ key: key + SUFFIX, entry: changed, part });
  }

  /** Keeps an entry until all before it are added. One whose new name is taken gets another, if there is any. */
  #hold(held: Held): void {
    while (this.#held.some(({ key }) => key === held.key)) held.key += SUFFIX;
    if (held.part !== undefined) {
      if (held.key.length - held.key.lastIndexOf('\0') - 1 > NAME_MAX) return;
      held.part.keptAs = pathOfKey(held.key);
    }
    let at = this.#held.length;
    while (at > 0 && this.#held[at - 1]!.key > held.key) at--;
    this.#held.splice(at, 0, held);
  }

  /** Adds what comes before `key`. */
  #release(key: ByteString | undefined): void {
    for (;;) {
      const [held] = this.#held;
      if (held === undefined || (key !== undefined && held.key > key)) return;
      this.#held.shift();
      if (held.key === key) {
        if (held.part !== undefined) held.part.keptAs = undefined;
        held.key += SUFFIX;
        this.#hold(held);
        continue;
      }
      if (held.part !== undefined) this.#counts.partial++;
      this.#add(held.key, held.entry);
    }
  }
}

interface Remains {
  /** Position and length, by turns, of what is lost. */
  readonly lost: readonly number[];
  readonly bytesLost: number;
  /** Bytes of chunks that are there. */
  readonly bytesThere: number;
  readonly pieces: ContentPieces;
}

/** What is lost was told by the survey; what cannot be read for another reason may be whole. */
function unlessLoss(_items: number, _key: ByteString, error: EverfullError): void {
  if (!isLoss(error)) throw error;
}

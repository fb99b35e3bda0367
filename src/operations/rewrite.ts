import { type ByteString, EverfullError } from '../base/mod.ts';
import { compileExcludes, type Excludes } from '../capture/select/mod.ts';
import type { CompressionMode } from '../chunk/mod.ts';
import {
  decodeEntry,
  ENTRY_ANCESTOR,
  type Entry,
  EntryType,
  encodeEntry,
  entrySize,
  FrameKind,
  pathOfKey,
} from '../format/mod.ts';
import { applyChanges, type EntryToSet, leavesInRange, type NodeSource, TreeBuilder } from '../image/mod.ts';
import type { Image } from '../repository/mod.ts';
import type { OperationContext } from './context.ts';
import { indexRootOf, nodesOf, shortId, throwIfInterrupted } from './reading.ts';
import { replaceImage } from './replace-image.ts';

export interface RewriteOptions {
  readonly images: readonly Image[];
  /** Patterns, as a backup understands them. */
  readonly excludes: readonly ByteString[];
  /** Patterns that ignore case. */
  readonly iexcludes: readonly ByteString[];
  /** Leaves the old images as they are; the new ones bear the tag `rewrite`. */
  readonly keepOriginal: boolean;
  readonly dryRun: boolean;
  readonly compression: CompressionMode;
  /** Told of each path that is left out, if it was not left out with the folder above it. */
  leftOut?(path: ByteString): void;
  /** Told of each image from which something was left out; `after` is undefined in a dry run. */
  rewritten(before: Image, after: Image | undefined, removed: Removed): void;
}

/** What was left out of an image. */
export interface Removed {
  readonly files: number;
  readonly folders: number;
  readonly bytes: number;
}

/** The tag of a new image that stands beside the old one, as restic has it. */
const REWRITE_TAG = 'rewrite';

/**
 * Makes new images of which everything is left out that the patterns match, each with the time, tags and paths of
 * the old one, which is forgotten. Images in which nothing matches stay as they are. How many were rewritten.
 *
 * Rejects with 'usage' for a pattern that is not well-formed, where there is none, and for patterns that leave
 * nothing of an image; 'retention' at the first image that is held or locked.
 */
export async function rewrite(context: OperationContext, options: RewriteOptions): Promise<number> {
  const { excludes, iexcludes } = options;
  const rules = compileExcludes({ excludes, iexcludes });
  if (rules.isEmpty)
    throw new EverfullError('usage', 'Could not rewrite images: nothing says what to leave out', {
      advice: 'Use --exclude or --iexclude.',
    });
  let count = 0;
  for (const image of options.images) if (await rewriteOne(context, image, rules, options)) count++;
  return count;
}

async function rewriteOne(
  context: OperationContext,
  image: Image,
  rules: Excludes,
  { excludes, iexcludes, keepOriginal, dryRun, compression, leftOut, rewritten }: RewriteOptions,
): Promise<boolean> {
  const { repository, signal } = context;
  const source = nodesOf(repository);
  // Once to see whether, and what: most images have nothing to leave out, and need no session.
  const plan = new Sieve(rules, leftOut);
  for await (const _ of plan.changes(source, image, signal));
  if (plan.removed.files + plan.removed.folders === 0) return false;
  if (plan.kept === 0)
    throw new EverfullError(
      'usage',
      `Could not rewrite image ${shortId(image.id)}: the patterns leave nothing of it`,
      { advice: 'To be rid of it: everfull forget' },
    );
  const { body } = image;
  const tags = [...new Set([...body.tags, ...(keepOriginal ? [REWRITE_TAG] : [])])];
  const after = dryRun
    ? undefined
    : await replaceImage(context, image, {
        compression,
        keepOriginal,
        async build(session) {
          const seed = repository.secrets.boundaryKey.readUInt32LE(0);
          const builder = new TreeBuilder(FrameKind.indexNode, seed, (node) => session.addNode(node));
          const changes = new Sieve(rules).changes(source, image, signal, () => session.room());
          await applyChanges(builder, source, indexRootOf(image), changes, {
            takesOver: session.damaged.size === 0,
          });
          return {
            root: builder.finish(),
            body: {
              ...body,
              tags,
              excludes: [...new Set([...body.excludes, ...excludes, ...iexcludes])],
              filesProcessed: Math.max(0, body.filesProcessed - plan.removed.files),
              bytesProcessed: Math.max(0, body.bytesProcessed - plan.removed.bytes),
              original: image.id,
            },
          };
        },
      });
  rewritten(image, after, plan.removed);
  return true;
}

/** Says which entries of an index go, and which hard links get another name. */
class Sieve {
  readonly removed = { files: 0, folders: 0, bytes: 0 };
  /** Entries that stay, besides folders on the way. */
  kept = 0;
  readonly #rules: Excludes;
  readonly #leftOut: ((path: ByteString) => void) | undefined;
  /** Whether a folder is left out, by its path, for those on the way to where the walk is. */
  readonly #folders = new Map<ByteString, boolean>();
  /** Of each group of hard links whose first path goes, the first that stays. */
  readonly #groups = new Map<ByteString, ByteString>();

  constructor(rules: Excludes, leftOut?: (path: ByteString) => void) {
    this.#rules = rules;
    this.#leftOut = leftOut;
  }

  /** What a backup with these rules would have left out, in key order. */
  async *changes(
    source: NodeSource,
    image: Image,
    signal: AbortSignal,
    room?: () => Promise<void>,
  ): AsyncGenerator<EntryToSet> {
    for await (const leaf of leavesInRange(source, indexRootOf(image))) {
      throwIfInterrupted(signal);
      await room?.();
      for (const { key, value } of leaf) {
        const path = pathOfKey(key);
        const entry = decodeEntry(value);
        if (this.#isOut(path)) {
          this.#count(path, entry);
          yield { key, value: undefined };
          continue;
        }
        if (!(entry.flags & ENTRY_ANCESTOR)) this.kept++;
        const linkGroup = this.#groupOf(path, entry);
        if (linkGroup !== entry.linkGroup)
          yield { key, value: encodeEntry({ ...entry, linkGroup }), content: entry.content };
      }
    }
  }

  /** As in a walk, what is in a folder that is left out is not looked at. */
  #isOut(path: ByteString): boolean {
    return this.#isFolderOut(parentOf(path)) || this.#rules.matches(path);
  }

  #isFolderOut(path: ByteString | undefined): boolean {
    if (this.#folders.size >= FOLDERS_MAX) this.#folders.clear();
    const unknown: ByteString[] = [];
    let at = path;
    for (; at !== undefined && !this.#folders.has(at); at = parentOf(at)) unknown.push(at);
    let isOut = at !== undefined && this.#folders.get(at)!;
    for (const folder of unknown.reverse()) {
      isOut ||= this.#rules.matches(folder);
      this.#folders.set(folder, isOut);
    }
    return isOut;
  }

  #count(path: ByteString, entry: Entry): void {
    if (entry.type === EntryType.folder) this.removed.folders++;
    else {
      this.removed.files++;
      this.removed.bytes += entrySize(entry);
    }
    if (!this.#isFolderOut(parentOf(path))) this.#leftOut?.(path);
  }

  /** A group is named by its first path in key order. */
  #groupOf(path: ByteString, { linkGroup }: Entry): ByteString | undefined {
    if (linkGroup === undefined || !this.#isOut(linkGroup)) return linkGroup;
    const first = this.#groups.get(linkGroup);
    if (first === undefined) this.#groups.set(linkGroup, path);
    return first ?? path;
  }
}

const FOLDERS_MAX = 4096;

/** The folder that a path is in; undefined for the root. */
function parentOf(path: ByteString): ByteString | undefined {
  if (path === '/') return undefined;
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

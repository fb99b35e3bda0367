import { closeSync, constants, openSync, readSync } from 'node:fs';
import { bytesFromHex, bytesOf, errnoOf, hexOf } from '../base/mod.ts';
import { type CompressionMode, encodeFrame } from '../chunk/mod.ts';
import { digest, Sealer } from '../crypto/mod.ts';
import {
  CHUNK_BYTES_MAX,
  decodeEntry,
  EntryType,
  FrameKind,
  type PathKey,
  pathOfKey,
} from '../format/mod.ts';
import { leavesInRange, type NodeSource, piecesInRange, type TreeRoot } from '../image/mod.ts';
import { isLoss, type Repository, type WriteSession } from '../repository/mod.ts';

export interface HealOptions {
  readonly repository: Repository;
  readonly session: WriteSession;
  /** The index of the image that the backup builds on. */
  readonly base: TreeRoot;
  readonly compression: CompressionMode;
  check(): void;
}

export interface Healing {
  /** Chunks that were stored anew. */
  readonly healed: number;
  /** Chunks of the base that cannot be made of its files any more: older images have lost them. */
  readonly lost: number;
  /** Files of the base whose contents refer to what is lost; undefined where the base cannot be looked through. */
  readonly broken: ReadonlySet<PathKey> | undefined;
}

/** Where a run of a chunk stands in a file. */
interface Use {
  readonly key: PathKey;
  /** Bytes from the start of the file. */
  readonly position: number;
  /** Bytes from the start of the chunk. */
  readonly offset: number;
  readonly length: number;
}

/**
 * Stores anew what is damaged or gone of the chunks of the last image, from the files as they are now. A
 * chunk is the bytes that its id says, wherever they come from, so each image that uses it is whole again.
 * Index nodes need no such care: the capture makes them again of their entries.
 *
 * It takes a look at all of the last image's index, so it is for times of damage.
 */
export async function heal(options: HealOptions): Promise<Healing> {
  const { session, repository, check } = options;
  const source: NodeSource = async (kind, id) => (await repository.frame(kind, id)).plain;
  const uses = new Map<string, Use[]>();
  const broken = new Set<PathKey>();
  try {
    for await (const leaf of leavesInRange(source, options.base)) {
      check();
      for (const { key, value } of leaf) {
        if (value[0] !== EntryType.file) continue;
        if (!(await findUses(key, value, source, session, uses))) broken.add(key);
      }
    }
  } catch (error) {
    if (!isLoss(error)) throw error;
    return { healed: 0, lost: 0, broken: undefined };
  }
  const sealer = new Sealer(session.dataKey.key, session.dataKey.id);
  let healed = 0;
  for (const [name, found] of uses) {
    check();
    // Files are read at once here, and heartbeats have to go on.
    await new Promise((resolve) => setImmediate(resolve));
    const id = bytesFromHex(name);
    const plain = rebuilt(found);
    if (plain !== undefined && repository.secrets.chunkId(plain).equals(id)) {
      const parts = { kind: FrameKind.chunk, id, plain, chunks: [], nodes: [] };
      const frame = encodeFrame(parts, sealer, repository.secrets.secretsId, options.compression);
      session.addChunk(id, frame, digest(frame));
      await session.room();
      healed++;
    } else for (const { key } of found) broken.add(key);
  }
  return { healed, lost: uses.size - healed, broken };
}

/** Adds where a file uses chunks that the session may not build on. False where its content cannot be read. */
async function findUses(
  key: PathKey,
  value: Uint8Array,
  source: NodeSource,
  session: WriteSession,
  uses: Map<string, Use[]>,
): Promise<boolean> {
  const { content } = decodeEntry(value);
  if (content === undefined) return true;
  let isWhole = true;
  const watched: NodeSource = (kind, id) => {
    // A node that can be read, but lies where nobody may build on it, is made again with the file.
    isWhole &&= session.has(id);
    return source(kind, id);
  };
  try {
    for await (const { position, piece } of piecesInRange(watched, content)) {
      const { chunk, offset, length } = piece;
      if (chunk === undefined || session.has(chunk)) continue;
      const name = hexOf(chunk);
      const known = uses.get(name);
      const use = { key, position, offset, length };
      if (known === undefined) uses.set(name, [use]);
      else known.push(use);
    }
  } catch (error) {
    if (!isLoss(error)) throw error;
    return false;
  }
  return isWhole;
}

/** The bytes of a chunk as the files have them now; undefined where they do not cover it. What they are its id tells. */
function rebuilt(uses: readonly Use[]): Buffer | undefined {
  const length = Math.max(...uses.map((use) => use.offset + use.length));
  if (length > CHUNK_BYTES_MAX) return undefined;
  const plain = Buffer.alloc(length);
  let end = 0;
  for (const use of uses.toSorted((a, b) => a.offset - b.offset)) {
    if (use.offset > end) return undefined;
    if (use.offset + use.length <= end) continue;
    if (!readInto(plain.subarray(use.offset, use.offset + use.length), use)) return undefined;
    end = use.offset + use.length;
  }
  return plain;
}

function readInto(target: Buffer, { key, position }: Use): boolean {
  let fd: number;
  try {
    // O_NONBLOCK: what is a FIFO by now must not hold us up.
    fd = openSync(bytesOf(pathOfKey(key)), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
  try {
    for (let filled = 0; filled < target.length; ) {
      const read = readSync(fd, target, filled, target.length - filled, position + filled);
      if (read === 0) return false;
      filled += read;
    }
    return true;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  } finally {
    closeSync(fd);
  }
}

import { bufferOf, EverfullError, equalBytes, isEverfullError } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import {
  decodeFrame,
  decodePackHeader,
  decodePackTable,
  FRAME_BYTES_MAX,
  PACK_BYTES_TARGET,
  PACK_FOOTER_BYTES,
  PACK_HEADER_BYTES,
  type PackRow,
  packTailBytes,
} from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { readPackTable } from './chunk-index.ts';
import { packName } from './names.ts';

/** A pack ends with the frame that fills it; of tables only those of very short frames are longer than this. */
export const PACK_BYTES_MAX = PACK_BYTES_TARGET + FRAME_BYTES_MAX + 64 * 1024 * 1024;

/** Where a frame should lie in its pack; the digest is undefined where the table of the pack is lost. */
export type FrameRow = Pick<PackRow, 'id' | 'kind' | 'offset' | 'length'> & {
  readonly digest: Uint8Array | undefined;
};

/**
 * One pack, read whole, and once more in parts where something about it is wrong: what was read once only
 * does not count as damaged. Needs no key.
 */
export class PackReading {
  readonly bytes: number;
  /** By the pack's own table; undefined where that cannot be read. */
  readonly rows: readonly PackRow[] | undefined;
  /** What is wrong with head or table. */
  readonly error: EverfullError | undefined;
  readonly #store: ObjectStore;
  readonly #name: string;
  readonly #whole: Buffer | undefined;

  private constructor(
    store: ObjectStore,
    name: string,
    whole: Buffer | undefined,
    bytes: number,
    { rows, error }: Shape,
  ) {
    this.#store = store;
    this.#name = name;
    this.#whole = whole;
    this.bytes = bytes;
    this.rows = rows;
    this.error = error;
  }

  /**
   * Rejects with 'object-missing' where the pack is gone, and with what else keeps it from being read.
   *
   * @param secretsId the domain that the pack should be of; undefined where nobody knows
   * @param memory may take the bytes of the pack; then it is not to be used again before all is done with the
   *   rows and frames
   */
  static async open(
    store: ObjectStore,
    pack: Uint8Array,
    secretsId: Uint8Array | undefined,
    memory?: Uint8Array,
  ): Promise<PackReading> {
    const name = packName(pack);
    const read = await orDamage(() => store.get(name, { limit: PACK_BYTES_MAX, memory }));
    const whole = read instanceof EverfullError ? undefined : bufferOf(read);
    if (whole !== undefined) {
      const shape = await shapeOf(
        () => checkHead(whole, secretsId),
        () => tableIn(whole),
      );
      if (shape.error === undefined) return new PackReading(store, name, whole, whole.length, shape);
    }
    const bytes = await store.size(name);
    const shape = await shapeOf(
      async () => {
        const range = { offset: 0, length: Math.min(bytes, PACK_HEADER_BYTES) };
        checkHead(await store.get(name, { range }), secretsId);
      },
      () => readPackTable(store, { name: pack, bytes }),
    );
    return new PackReading(store, name, whole, bytes, shape);
  }

  /** The frame of a row, where it is as the row says; else what is wrong with it. */
  async frame(row: FrameRow): Promise<Uint8Array | EverfullError> {
    const { offset, length } = row;
    if (this.#whole !== undefined && offset + length <= this.#whole.length) {
      const frame = this.#whole.subarray(offset, offset + length);
      if (problemOf(frame, row) === undefined) return frame;
    }
    return orDamage(async () => {
      const frame = await this.#store.get(this.#name, { range: { offset, length }, limit: FRAME_BYTES_MAX });
      const problem = problemOf(frame, row);
      if (problem !== undefined) throw damaged(row, problem);
      return frame;
    });
  }
}

interface Shape {
  readonly rows: readonly PackRow[] | undefined;
  readonly error: EverfullError | undefined;
}

async function shapeOf(head: () => unknown, table: () => PackRow[] | Promise<PackRow[]>): Promise<Shape> {
  const headed = await orDamage(head);
  const rows = await orDamage(table);
  if (rows instanceof EverfullError) return { rows: undefined, error: rows };
  return { rows, error: headed instanceof EverfullError ? headed : undefined };
}

function checkHead(bytes: Uint8Array, secretsId: Uint8Array | undefined): void {
  const found = decodePackHeader(bytes);
  if (secretsId !== undefined && !equalBytes(found.secretsId, secretsId))
    throw new EverfullError('forged', 'Could not accept a pack: it belongs to other keys');
}

function tableIn(whole: Buffer): PackRow[] {
  const footer = whole.subarray(Math.max(0, whole.length - PACK_FOOTER_BYTES));
  const tail = packTailBytes(footer, whole.length);
  return decodePackTable(whole.subarray(whole.length - tail), whole.length, digest);
}

function problemOf(frame: Uint8Array, row: FrameRow): string | undefined {
  if (row.digest !== undefined && !equalBytes(digest(frame), row.digest))
    return 'its bytes do not match their digest';
  try {
    const { header } = decodeFrame(frame);
    return header.kind === row.kind && equalBytes(header.id, row.id)
      ? undefined
      : 'another frame is in its place';
  } catch (error) {
    if (!isEverfullError(error, 'damaged')) throw error;
    return error.message;
  }
}

function damaged({ offset, length }: FrameRow, why: string): EverfullError {
  return new EverfullError('damaged', `Could not accept the frame at ${offset}+${length}: ${why}`);
}

/** What `work` gives, or the error that says that stored bytes are not what was written, or cannot be read any more. */
export async function orDamage<T>(work: () => T | Promise<T>): Promise<T | EverfullError> {
  try {
    return await work();
  } catch (error) {
    if (!isDamage(error)) throw error;
    return error;
  }
}

/** Whether stored bytes are gone, or not what was written: others may have them, trying again will not help. */
export function isLoss(error: unknown): error is EverfullError {
  return isDamage(error) || isEverfullError(error, 'object-missing');
}

/** A store that cannot be reached, or refuses access, says nothing about the bytes in it; a disk with EIO does. */
export function isDamage(error: unknown): error is EverfullError {
  return (
    isEverfullError(error, 'damaged', 'forged', 'limit') ||
    (isEverfullError(error, 'io') && error.context.errno === 'EIO')
  );
}

import { digest } from '../../src/crypto/mod.ts';
import {
  decodePackTable,
  FRAME_HEADER_BYTES_MIN,
  PACK_FOOTER_BYTES,
  PACK_HEADER_BYTES,
  PACK_ROW_BYTES,
  packTailBytes,
} from '../../src/format/mod.ts';
import type { Objects, Subject } from './subject.ts';

/** One thing that happens to a repository. */
export interface Fault {
  readonly object: string;
  readonly kind: 'flipped' | 'truncated' | 'deleted' | 'swapped' | 'replayed';
  /** For people: which byte, what with. */
  readonly how: string;
  /** Whether images are restored to disk after it, too; all are read in any case. */
  readonly restores: boolean;
  apply(objects: Map<string, Uint8Array>): void;
}

/** What an object is, told by its name. */
export function kindOf(name: string): string {
  if (name.startsWith('keys/')) return name.split('/').slice(0, 2).join('/');
  return name.startsWith('sessions/') ? `session.${name.split('.')[1]}` : name.split('/')[0]!;
}

/** Every fault for every object of the subject. */
export function* faultsOf(subject: Subject): Generator<Fault> {
  const { objects } = subject;
  for (const [object, bytes] of objects) {
    const flip = (at: number, restores = false): Fault => ({
      object,
      kind: 'flipped',
      how: `byte ${at} of ${bytes.length}`,
      restores,
      apply: (changed) => changed.set(object, flipped(bytes, at)),
    });
    const isPack = kindOf(object) === 'packs';
    if (isPack) yield* packPositions(bytes).map(({ at, restores }) => flip(at, restores));
    else for (let at = 0; at < bytes.length; at += FLIP_STEP) yield flip(at, at === 7 * FLIP_STEP);
    yield flip(bytes.length - 1);
    for (const [how, other] of [
      ['to nothing', bytes.subarray(0, 0)],
      ['by half', bytes.subarray(0, bytes.length >> 1)],
      ['by its last byte', bytes.subarray(0, -1)],
      ['with a byte more', Buffer.concat([bytes, Buffer.of(0)])],
    ] as const)
      yield {
        object,
        kind: 'truncated',
        how,
        restores: how === 'by half',
        apply: (changed) => changed.set(object, other),
      };
    yield { object, kind: 'deleted', how: '', restores: true, apply: (changed) => changed.delete(object) };
  }
  yield* swaps(objects);
  yield* replays(subject);
}

const FLIP_STEP = 7;

/** A byte with one bit changed, another one from place to place. */
function flipped(bytes: Uint8Array, at: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[at]! ^= 1 << (at % 8);
  return changed;
}

/** Where a frame's header fields begin, and their last bytes: see docs/format. */
const FRAME_FIELDS = [0, 1, 2, 3, 4, 7, 8, 12, 15, 16, 47, 48, 63, 64, 75, 76, 80];

/** Every byte of the head, each field of every frame, its body, its row in the table, and the footer. */
function packPositions(bytes: Uint8Array): { at: number; restores: boolean }[] {
  const tail = packTailBytes(bytes.subarray(-PACK_FOOTER_BYTES), bytes.length);
  const rows = decodePackTable(bytes.subarray(-tail), bytes.length, digest);
  const positions: { at: number; restores: boolean }[] = [];
  const add = (...places: number[]) => {
    for (const at of places) positions.push({ at, restores: false });
  };
  for (let at = 0; at < PACK_HEADER_BYTES; at += 3) add(at);
  for (const [i, { offset, length }] of rows.entries()) {
    add(...FRAME_FIELDS.map((field) => offset + field));
    // Lists or body, the middle of the body, and the seal at its end.
    if (length > FRAME_HEADER_BYTES_MIN) {
      add(offset + FRAME_HEADER_BYTES_MIN, offset + length - 1);
      positions.push({ at: offset + ((FRAME_HEADER_BYTES_MIN + length) >> 1), restores: true });
    }
    const row = bytes.length - tail + i * PACK_ROW_BYTES;
    add(row, row + 32, row + 33, row + 37, row + 41, row + PACK_ROW_BYTES - 1);
  }
  for (let at = bytes.length - PACK_FOOTER_BYTES; at < bytes.length; at += 4) add(at);
  return positions;
}

/** Any two objects of a kind in each other's place, and one object in place of both. */
function* swaps(objects: Objects): Generator<Fault> {
  const names = [...objects.keys()].sort();
  for (const [i, a] of names.entries()) {
    const others = names.slice(i + 1).filter((name) => kindOf(name) === kindOf(a));
    for (const b of others) {
      yield {
        object: a,
        kind: 'swapped',
        how: `with ${b}`,
        restores: b === others[0],
        apply: (changed) => changed.set(a, objects.get(b)!).set(b, objects.get(a)!),
      };
      for (const [to, from] of [
        [a, b],
        [b, a],
      ] as const)
        yield replay(to, objects.get(from)!, `with ${from}`, to === a && b === others[0]);
    }
  }
}

function replay(object: string, bytes: Uint8Array, how: string, restores: boolean): Fault {
  return { object, kind: 'replayed', how, restores, apply: (changed) => changed.set(object, bytes) };
}

/** What the same place held in another history, and what another repository has of the kind. */
function* replays({ objects, forked, foreign }: Subject): Generator<Fault> {
  for (const [object, bytes] of objects) {
    const other = forked.get(object);
    if (other !== undefined && !Buffer.from(other).equals(bytes))
      yield replay(object, other, 'by that of a fork', true);
    for (const [name, stranger] of foreign)
      if (kindOf(name) === kindOf(object))
        yield replay(object, stranger, `by ${name} of another repository`, false);
  }
}

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

/** What is done after a fault: check; also read every file of every image; also restore images to disk. */
export type Depth = 'check' | 'read' | 'restore';

/** One thing that happens to a repository. */
export interface Fault {
  readonly object: string;
  readonly kind: 'flipped' | 'truncated' | 'deleted' | 'swapped' | 'replayed';
  /** For people: which byte, what with. */
  readonly how: string;
  readonly depth: Depth;
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
    const flip = (at: number, depth: Depth): Fault => ({
      object,
      kind: 'flipped',
      how: `byte ${at} of ${bytes.length}`,
      depth,
      apply: (changed) => changed.set(object, flipped(bytes, at)),
    });
    if (kindOf(object) === 'packs') {
      for (const { at, depth } of packPositions(bytes)) yield flip(at, depth);
    } else {
      // Every seventh byte of the kind: of each object, where there are few, else shared out among them.
      const alike = [...objects.keys()].filter((name) => kindOf(name) === kindOf(object));
      const shares = Math.min(alike.length, FLIP_SHARES);
      const first = (alike.indexOf(object) % shares) * FLIP_STEP;
      for (let at = first; at < bytes.length; at += FLIP_STEP * shares) yield flip(at, 'check');
    }
    yield flip(bytes.length - 1, 'restore');
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
        depth: how === 'by half' ? 'restore' : 'read',
        apply: (changed) => changed.set(object, other),
      };
    yield { object, kind: 'deleted', how: '', depth: 'restore', apply: (changed) => changed.delete(object) };
  }
  yield* swaps(objects);
  yield* replays(subject);
}

const FLIP_STEP = 7;
const FLIP_SHARES = 4;

/** A byte with one bit changed, another one from place to place. */
function flipped(bytes: Uint8Array, at: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[at]! ^= 1 << (at % 8);
  return changed;
}

/** Where a frame's header fields begin, and their last bytes: see docs/format. */
const FRAME_FIELDS = [0, 1, 2, 3, 4, 7, 8, 12, 15, 16, 47, 48, 63, 64, 75, 76, 80];

/** Every byte of the head, each field of every frame, its body, its row in the table, and the footer. */
function packPositions(bytes: Uint8Array): { at: number; depth: Depth }[] {
  const tail = packTailBytes(bytes.subarray(-PACK_FOOTER_BYTES), bytes.length);
  const rows = decodePackTable(bytes.subarray(-tail), bytes.length, digest);
  const positions: { at: number; depth: Depth }[] = [];
  const add = (depth: Depth, ...places: number[]) => {
    for (const at of places) positions.push({ at, depth });
  };
  for (let at = 0; at < PACK_HEADER_BYTES; at += 3) add('read', at);
  for (const [i, { offset, length }] of rows.entries()) {
    add('read', ...FRAME_FIELDS.map((field) => offset + field));
    // Lists or body, the seal at its end, and the middle of the body.
    if (length > FRAME_HEADER_BYTES_MIN) {
      add('read', offset + FRAME_HEADER_BYTES_MIN, offset + length - 1);
      add('restore', offset + ((FRAME_HEADER_BYTES_MIN + length) >> 1));
    }
    // Whoever reads images finds frames by the index segments.
    const row = bytes.length - tail + i * PACK_ROW_BYTES;
    add('check', row, row + 32, row + 33, row + 37, row + 41, row + PACK_ROW_BYTES - 1);
  }
  for (let at = bytes.length - PACK_FOOTER_BYTES; at < bytes.length; at += 4) add('check', at);
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
        depth: b === others[0] ? 'restore' : 'read',
        apply: (changed) => changed.set(a, objects.get(b)!).set(b, objects.get(a)!),
      };
      for (const [to, from] of [
        [a, b],
        [b, a],
      ] as const)
        yield replay(
          to,
          objects.get(from)!,
          `with ${from}`,
          to === a && b === others[0] ? 'restore' : 'read',
        );
    }
  }
}

function replay(object: string, bytes: Uint8Array, how: string, depth: Depth): Fault {
  return { object, kind: 'replayed', how, depth, apply: (changed) => changed.set(object, bytes) };
}

/** What the same place held in another history, and what another repository has of the kind. */
function* replays({ objects, forked, foreign }: Subject): Generator<Fault> {
  for (const [object, bytes] of objects) {
    const other = forked.get(object);
    if (other !== undefined && !Buffer.from(other).equals(bytes))
      yield replay(object, other, 'by that of a fork', 'restore');
    for (const [name, stranger] of foreign)
      if (kindOf(name) === kindOf(object))
        yield replay(object, stranger, `by ${name} of another repository`, 'read');
  }
}

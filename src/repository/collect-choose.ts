import { hexOf } from '../base/mod.ts';
import {
  FrameKind,
  PACK_BYTES_TARGET,
  PACK_FOOTER_BYTES,
  PACK_HEADER_BYTES,
  PACK_ROW_BYTES,
} from '../format/mod.ts';
import type { ChunkIndex } from './chunk-index.ts';
import type { DamagedFrames } from './damaged.ts';

/** What is done with a pack. */
export interface PackUse {
  /** In the index's list of packs. */
  readonly number: number;
  readonly name: string;
  readonly bytes: number;
  /** Bytes of the frames whose place that counts is here. */
  liveBytes: number;
  /** Rows of these frames. */
  readonly live: number[];
  /** Whether a live frame is damaged here and sound nowhere: then the pack is the only hope of it. */
  isLastHope: boolean;
  /** By another run: then no place in it counts. */
  readonly isCondemned: boolean;
  hasDamage: boolean;
  hasNodes: boolean;
}

export interface ChooseOptions {
  /** Packs that are there, by name in hexadecimal digits. */
  readonly there: ReadonlyMap<string, unknown>;
  /** Packs that others have condemned. */
  readonly condemned: ReadonlySet<string>;
  readonly damaged: DamagedFrames;
  /** How many bytes of waste are left, given the bytes in use. */
  maxUnused(liveBytes: number): number;
  /** Most bytes that are copied. */
  readonly maxRepackBytes: number;
}

export interface Choice {
  readonly uses: readonly PackUse[];
  /** Whose live frames are copied, in the order in which it is done. */
  readonly copied: readonly PackUse[];
  /** Live frames whose only sound places are in packs that others have condemned: they are copied, too. */
  readonly stranded: readonly number[];
  /** How many live frames no pack has. */
  readonly lost: number;
}

/** A pack below this is short; many of them are made one. */
const SHORT_BYTES = PACK_BYTES_TARGET / 8;
const SHORT_MAX = 8;

/**
 * Gives each live frame one place that counts: sound, in no condemned list, of the least pack name. Then
 * chooses the packs whose live frames are worth a copy, so that the rest can go.
 */
export function choosePlaces(
  index: ChunkIndex,
  live: { has(row: number): boolean },
  options: ChooseOptions,
): Choice {
  const { damaged } = options;
  const uses = usesOf(index, options);
  const stranded: number[] = [];
  let lost = 0;
  const isDamaged = (row: number) => {
    if (damaged.size === 0) return false;
    const { id, pack } = index.place(row);
    return damaged.has(id, pack);
  };
  for (let first = 0; first < index.frames; first++) {
    if (!live.has(first)) continue;
    let best: PackUse | undefined;
    let bestRow = -1;
    let strandedRow = -1;
    const hopes: PackUse[] = [];
    for (let row = first; row >= 0; row = index.nextRow(row)) {
      const use = uses[index.packOf(row)];
      if (use === undefined) continue;
      if (isDamaged(row)) hopes.push(use);
      else if (use.isCondemned) strandedRow = row;
      else if (best === undefined || use.name < best.name) {
        best = use;
        bestRow = row;
      }
    }
    if (best !== undefined) {
      best.live.push(bestRow);
      best.liveBytes += index.lengthOf(bestRow);
      best.hasNodes ||= index.kindOf(bestRow) !== FrameKind.chunk;
    } else if (strandedRow >= 0) stranded.push(strandedRow);
    else if (hopes.length === 0) lost++;
    else for (const use of hopes) use.isLastHope = true;
  }
  if (damaged.size > 0) {
    for (let row = 0; row < index.frames; row++) {
      const use = uses[index.packOf(row)];
      if (use !== undefined && isDamaged(row)) use.hasDamage = true;
    }
  }
  const all = uses.filter((use) => use !== undefined);
  return { uses: all, copied: worthCopying(all, options), stranded, lost };
}

/** By number, the packs that are there. */
function usesOf(index: ChunkIndex, { there, condemned }: ChooseOptions): (PackUse | undefined)[] {
  return index.packs.map((pack, number) => {
    const name = hexOf(pack.name);
    if (!there.has(name)) return undefined;
    return {
      number,
      name,
      bytes: pack.bytes,
      liveBytes: 0,
      live: [],
      isLastHope: false,
      isCondemned: condemned.has(name),
      hasDamage: false,
      hasNodes: false,
    };
  });
}

/**
 * The packs with damage; those with the largest part of waste, until what is left is within the limit;
 * and short ones, if there are many.
 */
function worthCopying(uses: readonly PackUse[], { maxUnused, maxRepackBytes }: ChooseOptions): PackUse[] {
  const kept = uses.filter(({ live, isLastHope }) => live.length > 0 && !isLastHope);
  const total = kept.reduce((sum, { liveBytes }) => sum + liveBytes, 0);
  let waste = kept.reduce((sum, use) => sum + wasteOf(use), 0);
  const copied = new Set<PackUse>();
  let bytes = 0;
  const copy = (use: PackUse) => {
    if (copied.has(use) || bytes + use.liveBytes > maxRepackBytes) return;
    copied.add(use);
    bytes += use.liveBytes;
    waste -= wasteOf(use);
  };
  for (const use of kept) if (use.hasDamage) copy(use);
  for (const use of kept.toSorted((a, b) => wasteOf(b) / b.bytes - wasteOf(a) / a.bytes)) {
    if (waste <= maxUnused(total) || wasteOf(use) === 0) break;
    copy(use);
  }
  for (const hasNodes of [false, true]) {
    const short = kept.filter((use) => use.bytes < SHORT_BYTES && use.hasNodes === hasNodes);
    if (short.length > SHORT_MAX) for (const use of short) copy(use);
  }
  return [...copied].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Bytes of a pack that a copy of its live frames would save. */
function wasteOf({ bytes, liveBytes, live }: PackUse): number {
  const head = PACK_HEADER_BYTES + PACK_FOOTER_BYTES;
  return Math.max(0, bytes - liveBytes - head - live.length * PACK_ROW_BYTES);
}

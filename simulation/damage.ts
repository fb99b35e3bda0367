import { digest } from '../src/crypto/mod.ts';
import { decodePackTable, FrameKind, PACK_FOOTER_BYTES, packTailBytes } from '../src/format/mod.ts';
import type { Dice } from './dice.ts';
import { type Disk, DiskFile, DiskFolder, type DiskNode } from './disk.ts';
import { STORE_ROOT } from './disk-calls.ts';

/** Changes a bit of a chunk in a pack at rest, unnoticed. Whether there was one. */
export function flipBit(disk: Disk, dice: Dice): boolean {
  const store = disk.folder(STORE_ROOT);
  const packs = filesBelow(store.names.get('packs')).filter(({ data, durable }) => data === durable);
  if (packs.length === 0) return false;
  const pack = dice.pick(packs);
  const chunks = tableOf(pack.data).filter(({ kind }) => kind === FrameKind.chunk);
  if (chunks.length === 0) return false;
  const { offset, length } = dice.pick(chunks);
  const flipped = Buffer.from(pack.data);
  flipped[offset + dice.below(length)]! ^= 1 << dice.below(8);
  pack.data = flipped;
  pack.durable = flipped;
  return true;
}

function filesBelow(node: DiskNode | undefined): DiskFile[] {
  if (node instanceof DiskFile) return [node];
  return node instanceof DiskFolder ? [...node.names.values()].flatMap(filesBelow) : [];
}

function tableOf(pack: Buffer) {
  const tail = packTailBytes(pack.subarray(pack.length - PACK_FOOTER_BYTES), pack.length);
  return decodePackTable(pack.subarray(pack.length - tail), pack.length, digest);
}

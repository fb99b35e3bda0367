import { bytesFromHex, EverfullError, equalBytes, hexOf } from '../../base/mod.ts';
import { digest } from '../../crypto/mod.ts';
import {
  decodePackHeader,
  decodeSegmentRow,
  decodeTable,
  FRAME_HEADER_BYTES_MIN,
  FrameKind,
  PACK_HEADER_BYTES,
  type PackRow,
  SEGMENT_ROW_BYTES,
  type SegmentRow,
} from '../../format/mod.ts';
import { dataKeyName, packName, type Repository, readPackTable, segmentName } from '../../repository/mod.ts';
import type { Findings } from './findings.ts';
import type { Inventory } from './inventory.ts';
import type { DataKeys } from './key-objects.ts';
import type { FrameLosses } from './losses.ts';

/** What is known of a pack once its table was looked at. */
export interface PackShape {
  /** In hexadecimal. */
  readonly pack: string;
  readonly bytes: number;
  /** Whether its table is sound and names the frames that the index places in it. */
  readonly hasTable: boolean;
}

/** Where the id of the data key begins in a frame; see docs/format/frame.md. */
const DATA_KEY_AT = 48;
const DATA_KEY_END = 64;

/**
 * Checks every pack's head and table against its size, and its index segment against the table, without
 * reading its frames. Returns the packs that are there, by name, and those without a segment.
 */
export async function checkPacks(
  repository: Repository,
  inventory: Inventory,
  dataKeys: DataKeys,
  losses: FrameLosses,
  findings: Findings,
): Promise<{ packs: PackShape[]; unlisted: Set<string> }> {
  const packs: PackShape[] = [];
  const unlisted = new Set<string>();
  const segments = new Set(inventory.ids.segment);
  for (const pack of [...new Set([...inventory.ids.pack, ...segments])].sort()) {
    const segment = segments.has(pack) ? await readSegment(repository, pack, findings) : undefined;
    if (!segments.has(pack)) unlisted.add(pack);
    const bytes = inventory.packSizes.get(pack);
    if (bytes === undefined) {
      await reportMissing(pack, inventory, losses, findings);
      continue;
    }
    const rows = await readTable(repository, pack, bytes, dataKeys, losses, findings);
    const name = packName(bytesFromHex(pack));
    const agree = rows !== undefined && (segment === undefined || sameRows(bytes, rows, segment));
    packs.push({ pack, bytes, hasTable: agree });
    if (agree) continue;
    if (rows !== undefined) findings.damaged(name, 'its table and its index segment name different frames');
    losses.losePack(pack, name);
  }
  return { packs, unlisted };
}

/** Its segment follows a pack, so a pack that a segment names must be there. */
async function reportMissing(
  pack: string,
  inventory: Inventory,
  losses: FrameLosses,
  findings: Findings,
): Promise<void> {
  const name = packName(bytesFromHex(pack));
  if (await inventory.exists(name)) return;
  findings.missing(name, 'its index segment is there');
  losses.losePack(pack, name);
}

interface Segment {
  readonly bytes: number;
  readonly rows: readonly SegmentRow[];
}

async function readSegment(
  { store }: Repository,
  pack: string,
  findings: Findings,
): Promise<Segment | undefined> {
  const name = segmentName(bytesFromHex(pack));
  return findings.guard(name, async () => {
    const { packs, rows, shape } = decodeTable(await store.get(name), SEGMENT_ROW_BYTES, digest);
    if (packs.length !== 1 || hexOf(packs[0]!.name) !== pack) {
      findings.forged(name, 'it is the segment of another pack');
      return undefined;
    }
    return {
      bytes: packs[0]!.bytes,
      rows: Array.from({ length: shape.rows }, (_, row) => decodeSegmentRow(rows, row)),
    };
  });
}

async function readTable(
  { store, secrets }: Repository,
  pack: string,
  bytes: number,
  dataKeys: DataKeys,
  losses: FrameLosses,
  findings: Findings,
): Promise<PackRow[] | undefined> {
  const name = packName(bytesFromHex(pack));
  return findings.guard(name, async () => {
    const { secretsId } = decodePackHeader(
      await store.get(name, { range: { offset: 0, length: Math.min(bytes, PACK_HEADER_BYTES) } }),
    );
    if (!equalBytes(secretsId, secrets.secretsId))
      throw new EverfullError('forged', `Could not accept "${name}": it belongs to other keys`);
    const rows = await readPackTable(store, { name: bytesFromHex(pack), bytes });
    await checkDataKey(store, name, pack, rows, dataKeys, losses, findings);
    return rows;
  });
}

/** One session writes a pack with one data key: the first sealed frame tells which. */
async function checkDataKey(
  store: Repository['store'],
  name: string,
  pack: string,
  rows: readonly PackRow[],
  dataKeys: DataKeys,
  losses: FrameLosses,
  findings: Findings,
): Promise<void> {
  const sealed = rows.find(
    ({ kind, length }) => kind !== FrameKind.contentNode && length >= FRAME_HEADER_BYTES_MIN,
  );
  if (sealed === undefined) return;
  const id = hexOf(
    await store.get(name, {
      range: { offset: sealed.offset + DATA_KEY_AT, length: DATA_KEY_END - DATA_KEY_AT },
    }),
  );
  if (dataKeys.has(id)) return;
  const key = dataKeyName(bytesFromHex(id));
  if (!findings.has(key)) findings.missing(key, `"${name}" was sealed with it, unless that pack is damaged`);
  losses.losePack(pack, key);
}

function sameRows(bytes: number, table: readonly PackRow[], segment: Segment): boolean {
  const sorted = table.toSorted((a, b) => Buffer.compare(a.id, b.id));
  return (
    segment.bytes === bytes &&
    segment.rows.length === sorted.length &&
    sorted.every(({ id, kind, offset, length }, i) => {
      const row = segment.rows[i]!;
      return equalBytes(id, row.id) && kind === row.kind && offset === row.offset && length === row.length;
    })
  );
}

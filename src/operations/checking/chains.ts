import { bytesFromHex, equalBytes, hexOf, isEverfullError } from '../../base/mod.ts';
import { digest } from '../../crypto/mod.ts';
import {
  decodeManifestHeader,
  type ManifestHeader,
  manifestRecord,
  RECORD_BYTES_MAX,
  SESSION_COMMITTED,
  SESSION_EXPIRED,
  type SessionEnd,
  sessionBeatRecord,
  sessionEndRecord,
  sessionOpenRecord,
} from '../../format/mod.ts';
import {
  dataKeyName,
  endpointName,
  type Manifest,
  manifestName,
  RETENTION_PREFIX,
  type Repository,
  readRetention,
  sessionBeatName,
  sessionEndName,
  sessionOpenName,
} from '../../repository/mod.ts';
import type { Findings } from './findings.ts';
import type { Inventory } from './inventory.ts';

/** The image that this machine committed last of a dataset. */
export interface RememberedHead {
  readonly sequence: number;
  /** The image's id, hexadecimal. */
  readonly image: string;
}

/** A committed image whose manifest is sound. */
export type CheckedImage = Manifest;

interface Link {
  readonly name: string;
  readonly sequence: number;
  /** As far as the clear part could be read, signed or not. */
  readonly id: Buffer | undefined;
  readonly header: ManifestHeader | undefined;
  /** Only where everything of it is sound. */
  readonly manifest: Manifest | undefined;
}

interface Session {
  readonly isOpen: boolean;
  /** Its image was forgotten, or it ended without one: collection may be removing its records. */
  readonly isOver: boolean;
  readonly hasEnd: boolean;
  /** Undefined as well where it cannot be read. */
  readonly end: SessionEnd | undefined;
}

/**
 * Checks sessions and the chain of manifests of each dataset: no number is missing, each names the one
 * before it, each committed session has its image, and no image that is remembered is gone.
 * The committed images, oldest first.
 */
export async function checkChains(
  repository: Repository,
  inventory: Inventory,
  findings: Findings,
  heads: Readonly<Record<string, RememberedHead>>,
): Promise<CheckedImage[]> {
  const sessions = await checkSessions(repository, inventory, findings);
  const chains = await readChains(repository, inventory, findings);
  for (const [dataset, links] of chains) checkChain(dataset, links, findings);
  await checkCommits(chains, sessions, inventory, findings);
  const images: CheckedImage[] = [];
  for (const link of [...chains.values()].flat())
    if (checkEnd(link, sessions, findings)) images.push(link.manifest!);
  const lostEnd = (link: Link, why: string) => reportLostEnd(link, why, inventory, findings);
  await checkHeads(heads, chains, sessions, lostEnd, findings);
  await checkBases(images, chains, lostEnd, findings);
  return images.sort(
    (a, b) =>
      a.body.time - b.body.time || a.header.sequence - b.header.sequence || Buffer.compare(a.id, b.id),
  );
}

async function checkSessions(
  repository: Repository,
  inventory: Inventory,
  findings: Findings,
): Promise<Map<string, Session>> {
  const { ids } = inventory;
  const read = async (name: string) => repository.store.get(name, { limit: RECORD_BYTES_MAX });
  const [opens, ends, reads] = [new Set(ids.open), new Set(ids.end), new Set(ids.read)];
  const retention = (await findings.guard(RETENTION_PREFIX, () => readRetention(repository.store))) ?? {
    isForgotten: () => false,
  };
  const sessions = new Map<string, Session>();
  for (const id of [...new Set([...ids.open, ...ids.end, ...ids.beat])].sort()) {
    if (reads.has(id)) continue;
    const session = bytesFromHex(id);
    const [openName, endName] = [sessionOpenName(session), sessionEndName(session)];
    const open = opens.has(id)
      ? await findings.guard(openName, async () => sessionOpenRecord.decode(await read(openName), digest))
      : undefined;
    const end = ends.has(id)
      ? await findings.guard(endName, async () => sessionEndRecord.decode(await read(endName), digest))
      : undefined;
    const isOpen = opens.has(id) || (await inventory.exists(openName));
    const isOver =
      retention.isForgotten(session) || end?.state === SESSION_EXPIRED || (!isOpen && !ends.has(id));
    if (!isOpen && !isOver) findings.missing(openName, 'other records of the session are there');
    if (open !== undefined && !equalBytes(open.session, session))
      findings.forged(openName, 'it is that of another session');
    if (end !== undefined && !equalBytes(end.session, session))
      findings.forged(endName, 'it is that of another session');
    // An expired session names the dataset that its collector knew of, or none.
    if (open !== undefined && end?.state === SESSION_COMMITTED && !equalBytes(open.dataset, end.dataset))
      findings.forged(endName, 'it names another dataset than the session was opened for');
    if (!ends.has(id))
      findings.note(
        openName,
        `Session ${id} has not ended: it is running, or died; nothing of it counts as an image`,
      );
    sessions.set(id, {
      isOpen,
      isOver,
      hasEnd: ends.has(id),
      end: end !== undefined && equalBytes(end.session, session) ? end : undefined,
    });
  }
  for (const id of ids.beat) {
    const name = sessionBeatName(bytesFromHex(id));
    await findings.guard(name, async () => {
      // The session may have ended, and its heartbeat with it, since the listing.
      const bytes = await read(name).catch((error: unknown) => {
        if (isEverfullError(error, 'object-missing')) return undefined;
        throw error;
      });
      if (bytes !== undefined && hexOf(sessionBeatRecord.decode(bytes, digest).session) !== id)
        findings.forged(name, 'it is that of another session');
    });
  }
  return sessions;
}

async function readChains(
  repository: Repository,
  inventory: Inventory,
  findings: Findings,
): Promise<Map<string, Link[]>> {
  const chains = new Map<string, Link[]>();
  for (const place of inventory.ids.manifest) {
    const [dataset, digits] = place.split('/') as [string, string];
    const sequence = Number(digits);
    const name = manifestName(bytesFromHex(dataset), sequence);
    const manifest = await findings.guard(name, () =>
      repository.readManifest(bytesFromHex(dataset), sequence),
    );
    const seen = manifest ?? (await clearPart(repository, name));
    if (manifest === undefined && seen !== undefined) {
      // Whatever it was that failed, the image is touched by it.
      for (const object of [name, endpointName(seen.header.endpoint), dataKeyName(seen.header.dataKeyId)])
        findings.touch(object, seen.id);
    }
    const link = { name, sequence, id: seen?.id, header: seen?.header, manifest };
    const links = chains.get(dataset);
    if (links === undefined) chains.set(dataset, [link]);
    else links.push(link);
  }
  for (const links of chains.values()) links.sort((a, b) => a.sequence - b.sequence);
  return chains;
}

/** What a manifest that is not sound says of itself, where it is at least a manifest of this place. */
async function clearPart(
  repository: Repository,
  name: string,
): Promise<{ id: Buffer; header: ManifestHeader } | undefined> {
  try {
    const { header: bytes } = manifestRecord.decode(
      await repository.store.get(name, { limit: RECORD_BYTES_MAX }),
      digest,
    );
    const header = decodeManifestHeader(bytes);
    return manifestName(header.dataset, header.sequence) === name ? { id: digest(bytes), header } : undefined;
  } catch (error) {
    // It was reported when it was read as a whole.
    if (isEverfullError(error)) return undefined;
    throw error;
  }
}

function checkChain(dataset: string, links: readonly Link[], findings: Findings): void {
  let previous: Link | undefined;
  for (const link of links) {
    const expected = (previous?.sequence ?? 0) + 1;
    for (let gap = expected; gap < Math.min(link.sequence, expected + GAPS_NAMED_MAX); gap++) {
      findings.missing(
        manifestName(bytesFromHex(dataset), gap),
        `the chain of its dataset goes on to number ${link.sequence}`,
      );
    }
    const before = link.sequence === 1 ? NO_IMAGE : link.sequence === expected ? previous?.id : undefined;
    if (before !== undefined && link.header !== undefined && !equalBytes(link.header.previous, before)) {
      findings.forged(link.name, 'it does not name the manifest before it');
    }
    previous = link;
  }
}

const NO_IMAGE = Buffer.alloc(32);
const GAPS_NAMED_MAX = 100;

/** Every committed session has its manifest. */
async function checkCommits(
  chains: ReadonlyMap<string, readonly Link[]>,
  sessions: ReadonlyMap<string, Session>,
  inventory: Inventory,
  findings: Findings,
): Promise<void> {
  for (const { end, isOver } of sessions.values()) {
    if (end?.state !== SESSION_COMMITTED || isOver) continue;
    const name = manifestName(end.dataset, end.sequence);
    const link = chains.get(hexOf(end.dataset))?.find(({ sequence }) => sequence === end.sequence);
    if (link === undefined && !(await inventory.exists(name)))
      findings.missing(name, `session ${hexOf(end.session)} committed it`);
    if (link?.manifest === undefined) findings.touch(name, end.image);
    if (
      link?.id !== undefined &&
      (!equalBytes(link.id, end.image) || !equalBytes(link.header!.session, end.session))
    ) {
      findings.forged(sessionEndName(end.session), `it names another image than "${name}"`);
      findings.touch(sessionEndName(end.session), end.image);
    }
  }
}

/** Whether a manifest counts: its own session committed it, and it is sound. */
function checkEnd(
  { id, header, manifest }: Link,
  sessions: ReadonlyMap<string, Session>,
  findings: Findings,
): boolean {
  if (id === undefined || header === undefined) return false;
  const endName = sessionEndName(header.session);
  const session = sessions.get(hexOf(header.session));
  // Collection leaves the manifest of a forgotten image, which is part of the chain, and nothing else.
  if (session === undefined || session.isOver) return false;
  if (session.hasEnd && session.end === undefined) findings.touch(endName, id);
  const { end } = session;
  return (
    manifest !== undefined &&
    end?.state === SESSION_COMMITTED &&
    equalBytes(end.image, id) &&
    end.sequence === header.sequence &&
    equalBytes(end.dataset, header.dataset)
  );
}

/** What this machine committed must still be there: else someone put back an older repository, or removed an image. */
async function checkHeads(
  heads: Readonly<Record<string, RememberedHead>>,
  chains: ReadonlyMap<string, readonly Link[]>,
  sessions: ReadonlyMap<string, Session>,
  lostEnd: ReportLostEnd,
  findings: Findings,
): Promise<void> {
  for (const [dataset, head] of Object.entries(heads).sort()) {
    if (!isHead(dataset, head)) continue;
    const { sequence, image } = head;
    const name = manifestName(bytesFromHex(dataset), sequence);
    const link = chains.get(dataset)?.find((candidate) => candidate.sequence === sequence);
    if (link === undefined) {
      findings.forged(
        name,
        `this machine committed image ${image.slice(0, 8)} there, and it is gone: the repository was rolled back`,
      );
      findings.touch(name, bytesFromHex(image));
    } else if (link.id !== undefined && hexOf(link.id) !== image) {
      findings.forged(
        name,
        `this machine committed image ${image.slice(0, 8)} there, and another one is in its place`,
      );
      findings.touch(name, bytesFromHex(image));
    } else if (link.header !== undefined && sessions.get(hexOf(link.header.session))?.hasEnd === false) {
      await lostEnd(link, `this machine committed image ${image.slice(0, 8)}`);
    }
  }
}

/** The file may have been written by anyone; what makes no sense in it remembers nothing. */
function isHead(dataset: string, head: Partial<RememberedHead> | null): head is RememberedHead {
  return (
    /^[0-9a-f]{32}$/.test(dataset) &&
    Number.isSafeInteger(head?.sequence) &&
    head!.sequence! > 0 &&
    /^[0-9a-f]{64}$/.test(String(head!.image))
  );
}

/** An image that another one was made against was committed. */
async function checkBases(
  images: readonly CheckedImage[],
  chains: ReadonlyMap<string, readonly Link[]>,
  lostEnd: ReportLostEnd,
  findings: Findings,
): Promise<void> {
  const committed = new Set(images.map(({ id }) => hexOf(id)));
  const bases = new Set(images.map(({ body }) => hexOf(body.base)));
  for (const link of [...chains.values()].flat()) {
    if (
      link.manifest === undefined ||
      !bases.has(hexOf(link.manifest.id)) ||
      committed.has(hexOf(link.manifest.id))
    )
      continue;
    if (!findings.has(sessionEndName(link.manifest.header.session)))
      await lostEnd(link, `image ${hexOf(link.manifest.id).slice(0, 8)} is the base of another one`);
  }
}

type ReportLostEnd = (link: Link, why: string) => Promise<void>;

async function reportLostEnd(
  { id, header }: Link,
  why: string,
  inventory: Inventory,
  findings: Findings,
): Promise<void> {
  const name = sessionEndName(header!.session);
  if (await inventory.exists(name)) return;
  // What was forgotten and collected has neither.
  if (!(await inventory.exists(sessionOpenName(header!.session)))) return;
  findings.missing(name, `${why}, so its session was committed`);
  findings.touch(name, id!);
}

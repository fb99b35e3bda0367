import { bytesFromHex, EverfullError, hexOf, isEverfullError } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import {
  DATASET_ID_BYTES,
  decodeManifestHeader,
  manifestRecord,
  RECORD_BYTES_MAX,
  SESSION_COMMITTED,
  sessionEndRecord,
  sessionOpenRecord,
  sessionReadRecord,
} from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { eachAtOnce } from './chunk-index.ts';
import type { Awaited } from './collect-wait.ts';
import { manifestName, SESSION_PREFIX, sessionEndName, sessionOpenName, sessionReadName } from './names.ts';
import { isLoss } from './pack-reading.ts';
import { readRetention } from './retention-log.ts';

/** What is live at one time: each root is that of an index. */
export interface Roots {
  /** By the session, in hexadecimal digits, of each image that exists: the root of its index. */
  readonly images: ReadonlyMap<string, Uint8Array>;
  /** Roots of images that were committed and nobody forgot, but whose `.open` is lost: they are no images, but nothing of them goes. */
  readonly orphans: readonly Uint8Array[];
  /** What running sessions build on or read. */
  readonly pinned: readonly Uint8Array[];
  /** Writers that run, and readers of images that exist no longer. */
  readonly running: readonly Awaited[];
  /** Those of them that keep an image that exists no longer. */
  readonly keepers: readonly Awaited[];
  /** Sessions whose records are of no use any more: forgotten, or ended without an image. */
  readonly dead: readonly string[];
}

/** Roots of sessions that have ended, by the session, in hexadecimal digits: they never change. */
export type KnownRoots = Map<string, Uint8Array | undefined>;

/** How often is begun anew when an object that was listed is gone. */
const TRIES = 5;

/**
 * Looks at everything that keeps frames alive. Needs no key. Rejects where any of it cannot be read:
 * nothing may be deleted on half a view.
 *
 * @param known what earlier calls read of sessions; it grows
 * @param options.durable makes sure that what was decided survives a power cut, for those who delete because of it
 */
export async function readRoots(
  store: ObjectStore,
  known: KnownRoots,
  options: { readonly durable: boolean },
): Promise<Roots> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await tryRoots(store, known, options);
    } catch (error) {
      // An image that built on a vanished one, and was committed after the listing, would be missed with it.
      if (attempt === TRIES || !isEverfullError(error, 'object-missing')) throw unknown(error);
    }
  }
}

async function tryRoots(
  store: ObjectStore,
  known: KnownRoots,
  options: { readonly durable: boolean },
): Promise<Roots> {
  // What is decided comes before who pins it: the other way round a pin that was put in between, for an image
  // that was forgotten after it, would be missed.
  const retention = await readRetention(store, options);
  const sessions = new Map<string, Set<string>>();
  for await (const { name } of store.list(SESSION_PREFIX)) {
    const [, session, object] =
      /^([0-9a-f]{32})\.(open|read|beat|end)$/.exec(name.slice(SESSION_PREFIX.length)) ?? [];
    // Whatever else lies there is none of ours.
    if (session === undefined || object === undefined) continue;
    sessions.set(session, (sessions.get(session) ?? new Set()).add(object));
  }
  const images = new Map<string, Uint8Array>();
  const orphans: Uint8Array[] = [];
  const pinned: Uint8Array[] = [];
  const running: Awaited[] = [];
  const dead: string[] = [];
  const readers: { readonly session: Buffer; readonly image: string }[] = [];
  const builders: { readonly writer: Awaited; readonly base: string }[] = [];
  await eachAtOnce([...sessions], async ([session, objects]) => {
    const id = bytesFromHex(session);
    const has = (object: string) => objects.has(object);
    if (has('end')) {
      const root = retention.isForgotten(id) ? undefined : await rootOf(store, id, known);
      if (root === undefined) dead.push(session);
      else if (has('open')) images.set(session, root);
      else orphans.push(root);
    } else if (has('open')) {
      const record = sessionOpenRecord.decode(await read(store, sessionOpenName(id)), digest);
      const { dataset, base, baseRoot } = record;
      const writer = { session: id, dataset, object: sessionOpenName(id), mustEnd: true };
      running.push(writer);
      if (base.some((byte) => byte !== 0)) {
        pinned.push(baseRoot);
        builders.push({ writer, base: hexOf(base) });
      }
    } else if (has('read')) {
      const { image, root } = sessionReadRecord.decode(await read(store, sessionReadName(id)), digest);
      pinned.push(root);
      readers.push({ session: id, image: hexOf(image) });
    } else dead.push(session);
  });
  const keepers: Awaited[] = builders
    .filter(({ base }) => !images.has(base))
    .map(({ writer }) => ({ ...writer, mustEnd: false }));
  // Whether a reader lives makes no difference to an image that exists.
  for (const { session, image } of readers) {
    if (images.has(image)) continue;
    const dataset = Buffer.alloc(DATASET_ID_BYTES);
    const reader = { session, dataset, object: sessionReadName(session), mustEnd: false };
    running.push(reader);
    keepers.push(reader);
  }
  // The records of an image stay as long as someone reads it.
  const beingRead = new Set(readers.map(({ image }) => image));
  return {
    images,
    orphans,
    pinned,
    running,
    keepers,
    dead: dead.filter((session) => !beingRead.has(session)),
  };
}

/** Without a record nobody knows what is in use. */
function unknown(error: unknown): unknown {
  if (!isLoss(error)) return error;
  return new EverfullError(error.code, `Could not tell what is in use: ${error.message}`, {
    cause: error,
    advice:
      'See what is damaged with: everfull verify. Of images that cannot be read any more: everfull repair images; of decisions on retention: everfull repair retention',
  });
}

/** The root of the image of a session that ended; undefined where it made none. */
async function rootOf(
  store: ObjectStore,
  session: Buffer,
  known: KnownRoots,
): Promise<Uint8Array | undefined> {
  const key = hexOf(session);
  if (known.has(key)) return known.get(key);
  const root = await readRoot(store, session);
  known.set(key, root);
  return root;
}

async function readRoot(store: ObjectStore, session: Buffer): Promise<Uint8Array | undefined> {
  const end = sessionEndRecord.decode(await read(store, sessionEndName(session)), digest);
  if (end.state !== SESSION_COMMITTED) return undefined;
  const name = manifestName(end.dataset, end.sequence);
  const { header } = manifestRecord.decode(await read(store, name), digest);
  const manifest = decodeManifestHeader(header);
  if (!digest(header).equals(end.image)) {
    throw new EverfullError(
      'forged',
      `Could not accept ${name}: it is another image than ${sessionEndName(session)} says`,
    );
  }
  return manifest.indexRoot;
}

function read(store: ObjectStore, name: string): Promise<Uint8Array> {
  return store.get(name, { limit: RECORD_BYTES_MAX });
}

import { EverfullError, equalBytes, hexOf } from '../base/mod.ts';
import { digest, verify } from '../crypto/mod.ts';
import {
  decodeManifestBody,
  decodeManifestHeader,
  ID_BYTES,
  IMAGE_KIND_FILES,
  type ManifestBody,
  type ManifestHeader,
  manifestRecord,
  manifestSignedBytes,
  type StreamCommit,
  type StreamOpen,
  type StreamRecord,
} from '../format/mod.ts';
import { type Image, openManifestBody, type Repository, type WriteSession } from '../repository/mod.ts';
import type { OperationContext } from './context.ts';
import { selectImages } from './images.ts';
import { indexRootOf, nodesOf, shortId, throwIfInterrupted } from './reading.ts';
import { Receiver, readStream } from './streaming/mod.ts';

export interface ImportOptions {
  /** How long the stream is, where that is known. */
  readonly bytesTotal?: number | undefined;
}

export interface ImportSummary {
  /** The image in this repository, 64 hexadecimal digits. */
  readonly image: string;
  /** The image that was exported. */
  readonly original: string;
  /** The image in this repository that it was built on. */
  readonly base: string | undefined;
  /** Whether the image was here already, and nothing was committed. */
  readonly alreadyThere: boolean;
  /** Frames of the stream. */
  readonly chunks: number;
  readonly nodes: number;
  readonly references: number;
  /** Of these frames, those that the repository did not have. */
  readonly framesAdded: number;
  /** Of the stream. */
  readonly bytes: number;
}

/**
 * Makes an image of a reference stream. Nothing counts before the stream was read to its end and found
 * whole; what was taken in until then stays for another try. The image gets a place in this repository's
 * own chain, signed by the endpoint of the same host, and so an id of its own.
 *
 * Rejects with 'stream-foreign' for a stream of other secrets, 'base-missing' where the image that it
 * builds on is not here, 'damaged' or 'forged' for one that is not what was exported.
 */
export async function importImage(
  context: OperationContext,
  input: AsyncIterable<Uint8Array>,
  { bytesTotal }: ImportOptions = {},
): Promise<ImportSummary> {
  const { repository, clock, signal } = context;
  let bytes = 0;
  const counted = async function* () {
    for await (const piece of input) {
      bytes += piece.length;
      yield piece;
    }
  };
  const records = readStream(counted(), repository.secrets);
  const first = await records.next();
  // A stream that does not begin so is refused by its reader.
  const open = first.value as Extract<StreamRecord, { readonly type: 'open' }>;
  checkOpen(repository, open);
  const base = await baseOf(context, open);
  const session = await repository.openSession(open.dataset, { compression: 'auto', clock, base });
  try {
    const receiver = new Receiver(repository, session);
    let sent: SentImage | undefined;
    let filesDone = 0;
    for await (const record of records) {
      throwIfInterrupted(signal);
      if (record.type === 'key') receiver.addKey(record.object);
      else if (record.type === 'data' || record.type === 'node')
        filesDone += await receiver.addFrame(record.frame);
      else if (record.type === 'ref') {
        if (base === undefined) throw damaged('it refers to a base image, and was opened without a base');
        receiver.addReference(record);
      } else if (record.type === 'commit') sent = openCommit(repository, open, record, receiver);
      context.progress({ filesDone, bytesDone: bytes, bytesTotal, errors: 0 });
    }
    const { header, id } = sent!;
    receiver.checkRoot(indexRootOf({ header }));
    if (base !== undefined) await receiver.checkReferences(nodesOf(repository), indexRootOf(base));
    const there = await sameImage(context, sent!);
    if (there !== undefined) await session.abort({ keep: true });
    const image = there ?? (await commit(context, session, receiver, sent!, base));
    const { chunks, nodes, references, framesAdded } = receiver.counts;
    return {
      image: hexOf(image.id),
      original: hexOf(id),
      base: base && hexOf(base.id),
      alreadyThere: there !== undefined,
      chunks,
      nodes,
      references,
      framesAdded,
      bytes,
    };
  } catch (error) {
    // What went wrong first is what is told.
    await session.abort({ keep: true }).catch(() => {});
    throw error;
  }
}

function damaged(why: string): EverfullError {
  return new EverfullError('damaged', `Could not accept the stream: ${why}`);
}

interface SentImage {
  readonly id: Buffer;
  readonly committed: number;
  readonly header: ManifestHeader;
  readonly body: ManifestBody;
}

function checkOpen({ secrets }: Repository, open: StreamOpen): void {
  if (!equalBytes(open.secretsId, secrets.secretsId)) {
    throw new EverfullError(
      'stream-foreign',
      `Could not import the stream: it was made with the secrets ${hexOf(open.secretsId).slice(0, 8)}, not with those of this repository, ${hexOf(secrets.secretsId).slice(0, 8)}`,
      {
        advice:
          'Import it into a repository that has the same secrets; one is made by: everfull -r NEW init --secrets-from REPO',
      },
    );
  }
  if (open.kind !== IMAGE_KIND_FILES)
    throw new EverfullError('unsupported', `Could not import the stream: its image is of kind ${open.kind}`, {
      advice: 'Use a newer version of everfull.',
    });
}

/** The image here that a stream builds on: the same one, or one of the same contents, since ids are the domain's. */
async function baseOf(context: OperationContext, open: StreamOpen): Promise<Image | undefined> {
  if (open.base.every((byte) => byte === 0)) return undefined;
  const images = (await selectImages(context)).filter(({ header }) =>
    equalBytes(header.indexRoot, open.baseRoot),
  );
  const base = images.find(({ id }) => equalBytes(id, open.base)) ?? images.at(-1);
  if (base === undefined) {
    throw new EverfullError(
      'base-missing',
      `Could not import the stream: it holds what changed since image ${shortId(open.base)}, which is not in this repository`,
      {
        context: { base: hexOf(open.base) },
        advice: `Import that image first, or export whole, without --base ${shortId(open.base)}.`,
      },
    );
  }
  // What is built on must come from the store, not from what was kept of it.
  return context.repository.image(base.header.session);
}

/** The image that was exported, its signature checked, its body opened. Throws 'damaged' or 'forged'. */
function openCommit(
  { secrets }: Repository,
  open: StreamOpen,
  { manifest, publicKey, committed }: StreamCommit,
  receiver: Receiver,
): SentImage {
  const { header: headerBytes, signature, body: sealed } = manifestRecord.decode(manifest, digest);
  const header = decodeManifestHeader(headerBytes);
  const forged = (why: string) => new EverfullError('forged', `Could not accept the stream: ${why}`);
  if (
    !equalBytes(header.dataset, open.dataset) ||
    !equalBytes(header.secretsId, secrets.secretsId) ||
    header.kind !== open.kind
  )
    throw forged('its manifest is that of another image');
  if (!verify(publicKey, manifestSignedBytes(headerBytes), signature))
    throw forged('the signature of its manifest is not that of its endpoint');
  if (!equalBytes(digest(sealed), header.bodyDigest)) throw damaged('its manifest does not match its digest');
  const body = decodeManifestBody(
    openManifestBody(
      sealed,
      header.nonce,
      receiver.sealerOf(header.dataKeyId),
      secrets.secretsId,
      header.dataset,
      header.sequence,
    ),
  );
  if (!equalBytes(secrets.endpointId(body.host), header.endpoint))
    throw forged('its manifest was signed by the endpoint of another host');
  return { id: digest(headerBytes), committed, header, body };
}

/** The exported image, or one that stands for it, if it is here. */
async function sameImage(context: OperationContext, sent: SentImage): Promise<Image | undefined> {
  const images = await selectImages(context);
  return images.find(({ id, body }) => equalBytes(id, sent.id) || equalBytes(body.original, sent.id));
}

async function commit(
  context: OperationContext,
  session: WriteSession,
  { counts }: Receiver,
  { id, header, body, committed }: SentImage,
  base: Image | undefined,
): Promise<{ readonly id: Buffer }> {
  const endpoint = await context.repository.endpoint(body.host);
  // The body says how much was stored, so all of it is stored before.
  await session.flush();
  return session.commit({
    endpoint,
    kind: header.kind,
    root: indexRootOf({ header }),
    body: {
      ...body,
      // Images of the other repository have other ids here.
      base: base?.id ?? Buffer.alloc(ID_BYTES),
      original: id,
      bytesAdded: counts.bytesAdded,
      bytesAddedStored: session.bytesStored,
    },
    committed: committed === 0 ? undefined : committed,
  });
}

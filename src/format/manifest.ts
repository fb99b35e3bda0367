import type { ByteString } from '../base/mod.ts';
import { DATA_KEY_ID_BYTES, NONCE_BYTES } from './frame.ts';
import { SECRETS_ID_BYTES } from './pack.ts';
import { ID_BYTES } from './piece.ts';
import { block, fixed, list, record, struct, text, u8, u64, type ValuesOf } from './record.ts';
import { ByteReader, ByteWriter } from './wire.ts';

export const DATASET_ID_BYTES = 16;
export const ENDPOINT_ID_BYTES = 16;
export const SESSION_ID_BYTES = 16;
export const SIGNATURE_BYTES = 64;

/** The clear part of a manifest, whose bytes are signed and whose BLAKE3 is the image's id. */
export const manifestHeader = struct({
  dataset: fixed(DATASET_ID_BYTES),
  /** From 1; the chain of a dataset has no gap. */
  sequence: u64,
  /** BLAKE3 of the header at sequence − 1; zeros in the first. */
  previous: fixed(ID_BYTES),
  endpoint: fixed(ENDPOINT_ID_BYTES),
  secretsId: fixed(SECRETS_ID_BYTES),
  session: fixed(SESSION_ID_BYTES),
  /** 0 files. */
  kind: u8,
  indexRoot: fixed(ID_BYTES),
  indexLevel: u8,
  indexItems: u64,
  indexLength: u64,
  /** BLAKE3 of the sealed body. */
  bodyDigest: fixed(32),
  dataKeyId: fixed(DATA_KEY_ID_BYTES),
  nonce: fixed(NONCE_BYTES),
});
export type ManifestHeader = ValuesOf<typeof manifestHeader.fields>;

/** The object `manifests/DATASET/SEQUENCE`. */
export const manifestRecord = record(9, 1, 'a manifest', {
  header: block(4096),
  /** Ed25519 by the endpoint, over "everfull manifest" and the header. */
  signature: fixed(SIGNATURE_BYTES),
  /** The body, zstd, sealed with the data key. */
  body: block(8 * 1024 * 1024),
});

const warning = struct({ path: text(1024 * 1024), message: text(4096) });
const TEXT_MAX = 4096;

/** The sealed part of a manifest. */
export const manifestBody = struct({
  host: text(TEXT_MAX),
  user: text(TEXT_MAX),
  /** The name of the dataset; empty where the paths are its name. */
  name: text(TEXT_MAX),
  paths: list(text(1024 * 1024), 1_000_000),
  tags: list(text(TEXT_MAX), 10_000),
  excludes: list(text(65_536), 100_000),
  /** The time that the image stands for, ms since 1970. */
  time: u64,
  started: u64,
  ended: u64,
  program: text(TEXT_MAX),
  /** The image that this one was made against; zeros for none. */
  base: fixed(ID_BYTES),
  /**
   * The image that this one stands for: a copy of it in another repository, or what took its place with other
   * tags or fewer entries. Zeros for none. Such an image was committed when that was.
   */
  original: fixed(ID_BYTES),
  filesNew: u64,
  filesChanged: u64,
  filesUnmodified: u64,
  foldersNew: u64,
  foldersChanged: u64,
  foldersUnmodified: u64,
  /** Bytes of the files looked at, and of those read. */
  bytesProcessed: u64,
  filesProcessed: u64,
  /** Bytes that were new to the repository: plain, and as stored. */
  bytesAdded: u64,
  bytesAddedStored: u64,
  warningCount: u64,
  /** The first warnings. */
  warnings: list(warning, 1000),
});
export type ManifestBody = ValuesOf<typeof manifestBody.fields>;

const HEADER_PREFIX: ByteString = 'everfull manifest 1\n';

export function encodeManifestHeader(header: ManifestHeader): Buffer {
  const writer = new ByteWriter();
  manifestHeader.write(writer, header);
  return writer.finish();
}

export function decodeManifestHeader(bytes: Uint8Array): ManifestHeader {
  const reader = new ByteReader(bytes, 'a manifest header');
  const header = manifestHeader.read(reader);
  reader.done();
  return header;
}

/** The bytes that an endpoint signs: a prefix that no other signature of its key has, then the header. */
export function manifestSignedBytes(headerBytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(HEADER_PREFIX, 'latin1'), headerBytes]);
}

export function encodeManifestBody(body: ManifestBody): Buffer {
  const writer = new ByteWriter();
  manifestBody.write(writer, body);
  return writer.finish();
}

export function decodeManifestBody(bytes: Uint8Array): ManifestBody {
  const reader = new ByteReader(bytes, 'a manifest body');
  const body = manifestBody.read(reader);
  reader.done();
  return body;
}

export const IMAGE_KIND_FILES = 0;

/** The object `config`, which makes a store a repository. */
export const configRecord = record(1, 1, 'the repository configuration', {
  repositoryId: fixed(16),
  secretsId: fixed(SECRETS_ID_BYTES),
  created: u64,
});
export type Config = ValuesOf<typeof configRecord.fields>;

/** The object `sessions/SESSION.open`. */
export const sessionOpenRecord = record(6, 1, 'a session', {
  session: fixed(SESSION_ID_BYTES),
  dataset: fixed(DATASET_ID_BYTES),
  opened: u64,
  /** The session of the image that this one builds on, and the root of its index; zeros for none. */
  base: fixed(SESSION_ID_BYTES),
  baseRoot: fixed(ID_BYTES),
});
export type SessionOpen = ReturnType<typeof sessionOpenRecord.decode>;

/** The object `sessions/SESSION.read`: someone reads an image, so that it stays as long as the session lives. */
export const sessionReadRecord = record(13, 1, 'a reading session', {
  session: fixed(SESSION_ID_BYTES),
  opened: u64,
  /** The session of the image that is read, and the root of its index. */
  image: fixed(SESSION_ID_BYTES),
  root: fixed(ID_BYTES),
});
export type SessionRead = ReturnType<typeof sessionReadRecord.decode>;

/** The object `sessions/SESSION.beat`, replaced while the session lives. */
export const sessionBeatRecord = record(7, 1, 'a heartbeat', {
  session: fixed(SESSION_ID_BYTES),
  /** Counts up; only whether it moves matters. */
  beat: u64,
});

export const SESSION_COMMITTED = 1;
export const SESSION_EXPIRED = 2;

/** The object `sessions/SESSION.end`, put if absent: it alone decides whether the session's image counts. */
export const sessionEndRecord = record(8, 1, 'the end of a session', {
  session: fixed(SESSION_ID_BYTES),
  /** 1 committed, 2 expired. */
  state: u8,
  ended: u64,
  dataset: fixed(DATASET_ID_BYTES),
  sequence: u64,
  /** The image's id; zeros when expired. */
  image: fixed(ID_BYTES),
});
export type SessionEnd = ValuesOf<typeof sessionEndRecord.fields>;

import { type ByteString, byteStringOf, bytesOf, displayText, EverfullError } from '../base/mod.ts';
import { DATA_KEY_ID_BYTES, NONCE_BYTES, SEAL_TAG_BYTES } from './frame.ts';
import { ENDPOINT_ID_BYTES } from './manifest.ts';
import { type Digest, SECRETS_ID_BYTES } from './pack.ts';
import { block, type FieldType, fixed, record, struct, text, u8, u32, u64, type ValuesOf } from './record.ts';
import { ByteReader, ByteWriter } from './wire.ts';

/**
 * The five objects that hold keys. Each is a record of a clear header, a nonce and a sealed body; the
 * header is associated data of the seal, so whoever changes any of it cannot open the body.
 * `docs/format/keys.md`
 */

export const WRAPPING_KEY_ID_BYTES = 16;
export const SLOT_SALT_BYTES = 16;
export const SLOT_LABEL_BYTES_MAX = 255;
export const PUBLIC_KEY_BYTES = 32;
/** Every secret key: wrapping, data, domain secret, Ed25519 seed. */
export const SECRET_BYTES = 32;
export const ENDPOINT_HOST_BYTES_MAX = 255;
const ENDPOINT_BODY_BYTES = SECRET_BYTES + 1 + ENDPOINT_HOST_BYTES_MAX;

/** What opens a key slot; the numbers are stored. 4 is reserved for an X25519 recipient. */
export const SlotKind = { passphrase: 1, keyFile: 2, recovery: 3 } as const;
export type SlotKind = (typeof SlotKind)[keyof typeof SlotKind];

/** Argon2id (RFC 9106) parameters of a passphrase slot. */
export interface Argon2Parameters {
  readonly memoryKiB: number;
  readonly passes: number;
  readonly parallelism: number;
}

/** Below these a stolen repository is too cheap to guess at; above, a hostile slot could exhaust the machine. */
export const ARGON2_BOUNDS = {
  memoryKiB: { min: 8 * 1024, max: 1024 * 1024 },
  passes: { min: 1, max: 16 },
  parallelism: { min: 1, max: 8 },
} as const;

/** Throws 'limit' for parameters outside of {@link ARGON2_BOUNDS}. */
export function checkArgon2Parameters(parameters: Argon2Parameters): void {
  for (const [name, { min, max }] of Object.entries(ARGON2_BOUNDS)) {
    const value = parameters[name as keyof Argon2Parameters];
    if (!(Number.isInteger(value) && value >= min && value <= max)) {
      throw new EverfullError(
        'limit',
        `Could not use a key slot: Argon2id ${name} is ${value}, not from ${min} to ${max}`,
        {
          context: { parameter: name, value },
        },
      );
    }
  }
}

export const slotHeader = struct({
  kind: u8 as FieldType<SlotKind>,
  /** Argon2id; zeros in a slot whose secret cannot be guessed. */
  passes: u8,
  parallelism: u8,
  memoryKiB: u32,
  /** Milliseconds since 1970. */
  created: u64,
  salt: fixed(SLOT_SALT_BYTES),
  wrappingKeyId: fixed(WRAPPING_KEY_ID_BYTES),
  /** UTF-8, for people. */
  label: text(SLOT_LABEL_BYTES_MAX),
});
export type SlotHeader = ValuesOf<typeof slotHeader.fields>;

export const domainKeysHeader = struct({
  wrappingKeyId: fixed(WRAPPING_KEY_ID_BYTES),
  secretsId: fixed(SECRETS_ID_BYTES),
});
export type DomainKeysHeader = ValuesOf<typeof domainKeysHeader.fields>;

export const dataKeyHeader = struct({
  wrappingKeyId: fixed(WRAPPING_KEY_ID_BYTES),
  dataKeyId: fixed(DATA_KEY_ID_BYTES),
});
export type DataKeyHeader = ValuesOf<typeof dataKeyHeader.fields>;

export const endpointHeader = struct({
  wrappingKeyId: fixed(WRAPPING_KEY_ID_BYTES),
  endpointId: fixed(ENDPOINT_ID_BYTES),
  /** Ed25519, raw. */
  publicKey: fixed(PUBLIC_KEY_BYTES),
});
export type EndpointHeader = ValuesOf<typeof endpointHeader.fields>;

export const formerKeyHeader = struct({
  /** The wrapping key that took the place of the former one, and seals it. */
  wrappingKeyId: fixed(WRAPPING_KEY_ID_BYTES),
  formerKeyId: fixed(WRAPPING_KEY_ID_BYTES),
});
export type FormerKeyHeader = ValuesOf<typeof formerKeyHeader.fields>;

/** A nonce, and ciphertext with its tag. */
export interface SealedBody {
  readonly nonce: Uint8Array;
  readonly sealed: Uint8Array;
}

export interface KeyRecord<Header> extends SealedBody {
  readonly header: Header;
  /** What the seal also authenticates. */
  readonly associated: Uint8Array;
}

export interface KeyRecordCodec<Header> {
  /** @param seal gives the body sealed with these associated data. Throws 'limit' for a header out of bounds */
  encode(header: Header, seal: (associated: Uint8Array) => SealedBody, digest: Digest): Buffer;
  /** Throws 'damaged', 'limit' for a header out of bounds, 'repository-newer' where a later version wrote it. */
  decode(bytes: Uint8Array, digest: Digest): KeyRecord<Header>;
}

const HEADER_BYTES_MAX = 512;

function keyRecord<Header>(
  kind: number,
  what: string,
  type: FieldType<Header>,
  bodyBytes: number,
  check: (header: Header) => void = () => {},
): KeyRecordCodec<Header> {
  const version = 1;
  const envelope = record(kind, version, what, {
    header: block(HEADER_BYTES_MAX),
    nonce: fixed(NONCE_BYTES),
    sealed: fixed(bodyBytes + SEAL_TAG_BYTES),
  });
  const associatedOf = (header: Uint8Array) =>
    Buffer.concat([bytesOf('everfull key'), Buffer.of(kind, version), header]);
  return {
    encode(header, seal, digest) {
      check(header);
      const writer = new ByteWriter();
      type.write(writer, header);
      const bytes = writer.finish();
      const { nonce, sealed } = seal(associatedOf(bytes));
      return envelope.encode({ header: bytes, nonce, sealed }, digest);
    },
    decode(bytes, digest) {
      const { header: headerBytes, nonce, sealed } = envelope.decode(bytes, digest);
      const reader = new ByteReader(headerBytes, what);
      const header = type.read(reader);
      reader.done();
      check(header);
      return { header, associated: associatedOf(headerBytes), nonce, sealed };
    },
  };
}

/** Throws 'limit', 'unsupported' or 'damaged' for what no slot of this version may say. */
export function checkSlotHeader(header: SlotHeader): void {
  if (header.label.length > SLOT_LABEL_BYTES_MAX) {
    throw new EverfullError(
      'limit',
      `Could not use a key slot: its label has ${header.label.length} bytes, not at most ${SLOT_LABEL_BYTES_MAX}`,
    );
  }
  if (header.kind === SlotKind.passphrase) {
    checkArgon2Parameters(header);
    return;
  }
  if (header.kind !== SlotKind.keyFile && header.kind !== SlotKind.recovery) {
    throw new EverfullError('unsupported', `Could not use a key slot: kind ${header.kind} is unknown`, {
      advice: 'Use a newer version of everfull.',
    });
  }
  if (header.memoryKiB !== 0 || header.passes !== 0 || header.parallelism !== 0) {
    throw new EverfullError(
      'damaged',
      'Could not use a key slot: it has Argon2id parameters and no passphrase',
    );
  }
}

/** The wrapping key, sealed by a passphrase, key file or recovery code. */
export const keySlotRecord: KeyRecordCodec<SlotHeader> = keyRecord(
  2,
  'a key slot',
  slotHeader,
  SECRET_BYTES,
  checkSlotHeader,
);
/** The domain secret, sealed by the wrapping key. */
export const domainKeysRecord: KeyRecordCodec<DomainKeysHeader> = keyRecord(
  3,
  'the domain keys',
  domainKeysHeader,
  SECRET_BYTES,
);
/** A session's data key, sealed by the wrapping key. */
export const dataKeyRecord: KeyRecordCodec<DataKeyHeader> = keyRecord(
  4,
  'a data key',
  dataKeyHeader,
  SECRET_BYTES,
);
/** An endpoint's signing key and host name, sealed by the wrapping key. */
export const endpointRecord: KeyRecordCodec<EndpointHeader> = keyRecord(
  5,
  'an endpoint',
  endpointHeader,
  ENDPOINT_BODY_BYTES,
);

/** A wrapping key that a rotation replaced, sealed by the one that it was replaced by. */
export const formerKeyRecord: KeyRecordCodec<FormerKeyHeader> = keyRecord(
  15,
  'a former wrapping key',
  formerKeyHeader,
  SECRET_BYTES,
);

/** The body of an endpoint object: padded, so that its length does not tell that of the host name. */
export interface EndpointBody {
  readonly seed: Uint8Array;
  /** UTF-8. */
  readonly host: ByteString;
}

export function encodeEndpointBody({ seed, host }: EndpointBody): Buffer {
  if (host.length > ENDPOINT_HOST_BYTES_MAX) {
    throw new EverfullError(
      'limit',
      `Could not use the host name "${displayText(host)}": it has ${host.length} bytes, not at most ${ENDPOINT_HOST_BYTES_MAX}`,
    );
  }
  const body = Buffer.alloc(ENDPOINT_BODY_BYTES);
  body.set(seed);
  body[SECRET_BYTES] = host.length;
  body.write(host, SECRET_BYTES + 1, 'latin1');
  return body;
}

export function decodeEndpointBody(body: Uint8Array): EndpointBody {
  const hostAt = SECRET_BYTES + 1;
  return {
    seed: body.subarray(0, SECRET_BYTES),
    host: byteStringOf(body.subarray(hostAt, hostAt + body[SECRET_BYTES]!)),
  };
}

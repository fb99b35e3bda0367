import { EverfullError, equalBytes, hexOf } from '../base/mod.ts';
import {
  Codec,
  DATA_KEY_ID_BYTES,
  dataKeyRecord,
  domainKeysRecord,
  formerKeyRecord,
  type KeyRecord,
  SECRET_BYTES,
  type SealedBody,
  WRAPPING_KEY_ID_BYTES,
} from '../format/mod.ts';
import { deriveKey, digest } from './hash.ts';
import { type RandomSource, systemRandom } from './random.ts';
import { Sealer } from './seal.ts';
import { DomainSecrets } from './secrets.ts';

/** What a repository is opened with. Neither part is ever written or shown in the clear. */
export interface Keyring {
  readonly wrappingKey: WrappingKey;
  /** 32 bytes; see {@link DomainSecrets}. */
  readonly domainSecret: Buffer;
}

/** The keys of a new repository. */
export function createKeyring(random: RandomSource = systemRandom): Keyring {
  return { wrappingKey: createWrappingKey(random), domainSecret: random(SECRET_BYTES) };
}

/** A new wrapping key, for a new repository or a rotation. */
export function createWrappingKey(random: RandomSource = systemRandom): WrappingKey {
  return new WrappingKey(random(SECRET_BYTES));
}

/** The key that seals the other keys. Its bytes leave it only sealed. */
export class WrappingKey {
  /** Derived from the key, so that a key can be matched with what it seals. */
  readonly id: Buffer;
  readonly #bytes: Buffer;
  readonly #sealer: Sealer;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes);
    this.id = deriveKey('everfull 2026 wrapping key id', bytes).subarray(0, WRAPPING_KEY_ID_BYTES);
    this.#sealer = new Sealer(bytes, this.id);
  }

  seal(associated: Uint8Array, body: Uint8Array): SealedBody {
    return this.#sealer.seal(associated, Codec.stored, body);
  }

  /**
   * The body of a key object. Throws 'damaged', also where another wrapping key sealed it.
   *
   * @param what for messages: "data key 01ab…"
   */
  open(object: KeyRecord<{ readonly wrappingKeyId: Uint8Array }>, what: string): Buffer {
    const { wrappingKeyId } = object.header;
    if (!equalBytes(wrappingKeyId, this.id)) {
      throw new EverfullError(
        'damaged',
        `Could not open ${what}: it belongs to wrapping key ${hexOf(wrappingKeyId)}, not ${hexOf(this.id)}`,
      );
    }
    try {
      return this.#sealer.open(object.associated, Codec.stored, object.nonce, object.sealed);
    } catch (cause) {
      throw new EverfullError(
        'damaged',
        `Could not open ${what}: it is not what wrapping key ${hexOf(this.id)} sealed`,
        { cause },
      );
    }
  }

  /** The wrapping key itself, sealed by the key of a slot. */
  sealedBy(slotKey: Sealer, associated: Uint8Array): SealedBody {
    return slotKey.seal(associated, Codec.stored, this.#bytes);
  }

  /** The wrapping key itself, sealed by the one that takes its place. */
  sealedByNext(next: WrappingKey, associated: Uint8Array): SealedBody {
    return next.seal(associated, this.#bytes);
  }
}

/** The object by which a wrapping key opens the one whose place it took. */
export function wrapFormerKey(wrappingKey: WrappingKey, former: WrappingKey): Buffer {
  const header = { wrappingKeyId: wrappingKey.id, formerKeyId: former.id };
  return formerKeyRecord.encode(header, (associated) => former.sealedByNext(wrappingKey, associated), digest);
}

/** The reverse of {@link wrapFormerKey}. Throws 'damaged'. */
export function unwrapFormerKey(wrappingKey: WrappingKey, bytes: Uint8Array): WrappingKey {
  const object = formerKeyRecord.decode(bytes, digest);
  const { formerKeyId } = object.header;
  const opened = wrappingKey.open(object, `former wrapping key ${hexOf(formerKeyId)}`);
  const former = new WrappingKey(opened);
  opened.fill(0);
  if (equalBytes(former.id, formerKeyId)) return former;
  throw new EverfullError(
    'damaged',
    `Could not open former wrapping key ${hexOf(formerKeyId)}: it is ${hexOf(former.id)}`,
  );
}

/** The object that keeps the domain secret. */
export function wrapDomain({ wrappingKey, domainSecret }: Keyring): Buffer {
  const { secretsId } = new DomainSecrets(domainSecret);
  return domainKeysRecord.encode(
    { wrappingKeyId: wrappingKey.id, secretsId },
    (associated) => wrappingKey.seal(associated, domainSecret),
    digest,
  );
}

/** The reverse of {@link wrapDomain}. Throws 'damaged'. */
export function unwrapDomain(wrappingKey: WrappingKey, bytes: Uint8Array): Keyring {
  const object = domainKeysRecord.decode(bytes, digest);
  const domainSecret = wrappingKey.open(object, 'the domain keys');
  const { secretsId } = new DomainSecrets(domainSecret);
  if (!equalBytes(secretsId, object.header.secretsId)) {
    throw new EverfullError(
      'damaged',
      `Could not open the domain keys: they are those of ${hexOf(secretsId)}, not ${hexOf(object.header.secretsId)}`,
    );
  }
  return { wrappingKey, domainSecret };
}

/** The key that seals the frames of one writing session: `new Sealer(key, id)`. */
export interface DataKey {
  readonly id: Buffer;
  readonly key: Buffer;
}

export function createDataKey(random: RandomSource = systemRandom): DataKey {
  return { id: random(DATA_KEY_ID_BYTES), key: random(SECRET_BYTES) };
}

/** The object that keeps a data key. */
export function wrapDataKey(wrappingKey: WrappingKey, dataKey: DataKey): Buffer {
  const header = { wrappingKeyId: wrappingKey.id, dataKeyId: dataKey.id };
  return dataKeyRecord.encode(header, (associated) => wrappingKey.seal(associated, dataKey.key), digest);
}

/** The reverse of {@link wrapDataKey}. Throws 'damaged'. */
export function unwrapDataKey(wrappingKey: WrappingKey, bytes: Uint8Array): DataKey {
  const object = dataKeyRecord.decode(bytes, digest);
  const id = Buffer.from(object.header.dataKeyId);
  return { id, key: wrappingKey.open(object, `data key ${hexOf(id)}`) };
}

import { argon2 } from 'node:crypto';
import { promisify } from 'node:util';
import {
  byteStringFromText,
  displayText,
  EverfullError,
  equalBytes,
  hexOf,
  isEverfullError,
} from '../base/mod.ts';
import {
  type Argon2Parameters,
  Codec,
  checkSlotHeader,
  keySlotRecord,
  SECRET_BYTES,
  SLOT_SALT_BYTES,
  type SlotHeader,
  SlotKind,
} from '../format/mod.ts';
import { deriveKey, digest } from './hash.ts';
import { WrappingKey } from './keys.ts';
import { type RandomSource, systemRandom } from './random.ts';
import { Sealer } from './seal.ts';

/** What a person or a machine has to open a repository with. */
export interface Credential {
  readonly kind: SlotKind;
  /** Passphrase: its UTF-8 bytes. Key file and recovery code: the secret that parsing them gave. */
  readonly secret: Uint8Array;
}

/** What a key slot shows without being opened. */
export interface SlotDescription {
  readonly kind: SlotKind;
  readonly label: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** 32 hexadecimal digits; the same in every slot that opens the same wrapping key. */
  readonly wrappingKeyId: string;
  /** Undefined unless a passphrase opens the slot. */
  readonly argon2: Argon2Parameters | undefined;
}

export interface SealSlotOptions {
  /** For people; at most 255 bytes of UTF-8. */
  readonly label: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly argon2?: Argon2Parameters | undefined;
  readonly random?: RandomSource | undefined;
}

/** RFC 9106 §4, second recommended option. */
export const ARGON2_DEFAULT: Argon2Parameters = { memoryKiB: 64 * 1024, passes: 3, parallelism: 4 };

/** The object that lets `credential` open `wrappingKey`. Throws 'usage' for an empty secret, 'limit' for parameters out of bounds. */
export async function sealSlot(
  wrappingKey: WrappingKey,
  credential: Credential,
  options: SealSlotOptions,
): Promise<Buffer> {
  const { label, created, argon2: parameters = ARGON2_DEFAULT, random = systemRandom } = options;
  if (credential.secret.length === 0)
    throw new EverfullError('usage', 'Could not make a key slot: the secret is empty');
  const header: SlotHeader = {
    kind: credential.kind,
    ...(credential.kind === SlotKind.passphrase ? parameters : { memoryKiB: 0, passes: 0, parallelism: 0 }),
    created,
    salt: random(SLOT_SALT_BYTES),
    wrappingKeyId: wrappingKey.id,
    label: byteStringFromText(label),
  };
  checkSlotHeader(header);
  const slotKey = await slotKeyOf(header, credential);
  return keySlotRecord.encode(header, (associated) => wrappingKey.sealedBy(slotKey, associated), digest);
}

/**
 * The wrapping key, or undefined where the credential does not fit.
 *
 * Whether the slot's parameters were changed by someone who made its digest fit again cannot be told
 * from a wrong secret: both leave the seal closed. Throws 'damaged' for a slot that is not what was
 * written, and 'limit', before any memory is taken, for parameters out of bounds.
 */
export async function openSlot(bytes: Uint8Array, credential: Credential): Promise<WrappingKey | undefined> {
  const { header, associated, nonce, sealed } = keySlotRecord.decode(bytes, digest);
  if (header.kind !== credential.kind) return undefined;
  const slotKey = await slotKeyOf(header, credential);
  let opened: Buffer;
  try {
    opened = slotKey.open(associated, Codec.stored, nonce, sealed);
  } catch (error) {
    if (isEverfullError(error, 'damaged')) return undefined;
    throw error;
  }
  const wrappingKey = new WrappingKey(opened);
  opened.fill(0);
  // AES-GCM alone does not bind a text to one key; the id, being derived from the text, does.
  if (!equalBytes(wrappingKey.id, header.wrappingKeyId)) {
    throw new EverfullError(
      'damaged',
      `Could not open a key slot: it holds wrapping key ${hexOf(wrappingKey.id)}, not ${hexOf(header.wrappingKeyId)}`,
    );
  }
  return wrappingKey;
}

/** What `key list` shows. Throws like {@link openSlot}. */
export function describeSlot(bytes: Uint8Array): SlotDescription {
  const { kind, label, created, wrappingKeyId, memoryKiB, passes, parallelism } = keySlotRecord.decode(
    bytes,
    digest,
  ).header;
  return {
    kind,
    label: displayText(label),
    created,
    wrappingKeyId: hexOf(wrappingKeyId),
    argon2: kind === SlotKind.passphrase ? { memoryKiB, passes, parallelism } : undefined,
  };
}

const argon2Async = promisify(argon2);

/** A passphrase is stretched; the secrets of key files and recovery codes cannot be guessed and need not be. */
async function slotKeyOf(header: SlotHeader, { kind, secret }: Credential): Promise<Sealer> {
  let key: Buffer;
  if (kind === SlotKind.passphrase) {
    key = await argon2Async('argon2id', {
      message: secret,
      nonce: header.salt,
      memory: header.memoryKiB,
      passes: header.passes,
      parallelism: header.parallelism,
      tagLength: SECRET_BYTES,
    });
  } else {
    const material = Buffer.concat([header.salt, secret]);
    key = deriveKey(
      kind === SlotKind.keyFile ? 'everfull 2026 key file slot' : 'everfull 2026 recovery slot',
      material,
    );
    material.fill(0);
  }
  const slotKey = new Sealer(key, header.salt);
  key.fill(0);
  return slotKey;
}

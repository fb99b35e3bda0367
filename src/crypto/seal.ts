import { createCipheriv, createDecipheriv } from 'node:crypto';
import { EverfullError } from '../base/mod.ts';
import { NONCE_BYTES, SEAL_TAG_BYTES, SECRET_BYTES } from '../format/mod.ts';
import { type GcmEncryptor, gcmEncryptor } from '../os/mod.ts';
import { deriveKey, KeyedHash } from './hash.ts';

const CIPHER = 'aes-256-gcm';
const OPTIONS = { authTagLength: SEAL_TAG_BYTES } as const;
/** Length of the associated data (u32) and codec (u8). */
const HEAD_FIXED_BYTES = 5;

let encryptor: GcmEncryptor | undefined;

/** {@link gcmEncryptor} by means of `node:crypto`. */
export const nodeEncryptor: GcmEncryptor = (target, key, nonce, associated, plain) => {
  const cipher = createCipheriv(CIPHER, key, nonce, OPTIONS).setAAD(associated);
  target.set(cipher.update(plain));
  cipher.final();
  target.set(cipher.getAuthTag(), plain.length);
};

/**
 * Seals with AES-256-GCM (NIST SP 800-38D) under a key that is derived from the given one.
 *
 * The nonce is the first 96 bits of BLAKE3, keyed by another derived key, over all that is sealed, so
 * no counter, restored machine or poor random source makes one nonce serve two texts; sealing the same
 * twice gives the same bytes. Two texts meet by chance with 2^-33 after 2^32 seals, which is the bound
 * for one key.
 *
 * Opening relies on the tag and does not compute the nonce again: that would cost a pass over the
 * bytes and tell nothing about what they are, which their own id does.
 */
export class Sealer {
  readonly keyId: Buffer;
  readonly #key: Buffer;
  readonly #nonce: KeyedHash;
  #head = Buffer.alloc(256);

  /** @param key 32 random bytes, which are copied */
  constructor(key: Uint8Array, keyId: Uint8Array) {
    if (key.length !== SECRET_BYTES)
      throw new RangeError(`a key has ${SECRET_BYTES} bytes, not ${key.length}`);
    this.keyId = Buffer.from(keyId);
    this.#key = deriveKey('everfull 2026 seal', key);
    const nonceKey = deriveKey('everfull 2026 nonce', key);
    this.#nonce = new KeyedHash(nonceKey);
    nonceKey.fill(0);
  }

  /** Ciphertext and tag, `SEAL_TAG_BYTES` longer than `body`. All memory may be shared. */
  seal(associated: Uint8Array, codec: number, body: Uint8Array): { nonce: Buffer; sealed: Buffer } {
    const sealed = Buffer.allocUnsafeSlow(body.length + SEAL_TAG_BYTES);
    return { nonce: this.sealInto(sealed, associated, codec, body), sealed };
  }

  /**
   * Like {@link seal}, into memory that the caller has and that does not overlap `body`.
   *
   * @param target exactly `SEAL_TAG_BYTES` longer than `body`
   * @returns the nonce
   */
  sealInto(target: Uint8Array, associated: Uint8Array, codec: number, body: Uint8Array): Buffer {
    const head = this.#headOf(associated, codec);
    const nonce = this.#nonce.digest(head, body).subarray(0, NONCE_BYTES);
    encryptor ??= gcmEncryptor() ?? nodeEncryptor;
    encryptor(target, this.#key, nonce, head, body);
    return nonce;
  }

  /** The body. Throws 'damaged' unless key, associated data, codec, nonce and every byte are those of the seal. */
  open(associated: Uint8Array, codec: number, nonce: Uint8Array, sealed: Uint8Array): Buffer {
    const length = sealed.length - SEAL_TAG_BYTES;
    if (nonce.length !== NONCE_BYTES || length < 0) {
      throw new EverfullError(
        'damaged',
        `Could not open sealed bytes: ${sealed.length} bytes and a nonce of ${nonce.length} are not of the right length`,
      );
    }
    const decipher = createDecipheriv(CIPHER, this.#key, nonce, OPTIONS);
    decipher.setAAD(this.#headOf(associated, codec));
    decipher.setAuthTag(sealed.subarray(length));
    const body = decipher.update(sealed.subarray(0, length));
    try {
      decipher.final();
    } catch (cause) {
      throw new EverfullError(
        'damaged',
        'Could not open sealed bytes: they are not what was sealed with this key',
        { cause },
      );
    }
    return body;
  }

  /** What is authenticated besides the body, in one memory that serves every call. */
  #headOf(associated: Uint8Array, codec: number): Buffer {
    const length = HEAD_FIXED_BYTES + associated.length;
    if (length > this.#head.length) this.#head = Buffer.alloc(length * 2);
    this.#head.writeUInt32LE(associated.length, 0);
    this.#head.writeUInt8(codec, 4);
    this.#head.set(associated, HEAD_FIXED_BYTES);
    return this.#head.subarray(0, length);
  }
}

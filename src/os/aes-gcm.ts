import koffi from 'koffi';
import { allocateNative } from './memory.ts';

/** `EVP_CTRL_AEAD_GET_TAG` (openssl/evp.h). */
const GET_TAG = 0x10;

interface OpenSsl {
  newContext(): unknown;
  freeContext(context: unknown): void;
  aes256gcm(): unknown;
  init(context: unknown, cipher: unknown, engine: null, key: Uint8Array, nonce: Uint8Array): number;
  update(
    context: unknown,
    target: Uint8Array | null,
    written: Uint8Array,
    source: Uint8Array,
    length: number,
  ): number;
  final(context: unknown, target: Uint8Array, written: Uint8Array): number;
  control(context: unknown, command: number, length: number, pointer: Uint8Array): number;
}

/**
 * Encrypts with AES-256-GCM: `plain` to the start of `target`, of the same length, the tag (16 bytes) behind it.
 * The two may not overlap. The nonce has 12 bytes.
 */
export type GcmEncryptor = (
  target: Uint8Array,
  key: Uint8Array,
  nonce: Uint8Array,
  associated: Uint8Array,
  plain: Uint8Array,
) => void;

const TAG_BYTES = 16;

function load(): OpenSsl | undefined {
  try {
    const library = koffi.load(null);
    return {
      newContext: library.func('void *EVP_CIPHER_CTX_new()'),
      freeContext: library.func('void EVP_CIPHER_CTX_free(void *)'),
      aes256gcm: library.func('void *EVP_aes_256_gcm()'),
      init: library.func('int EVP_EncryptInit_ex(void *, void *, void *, const void *, const void *)'),
      update: library.func('int EVP_EncryptUpdate(void *, void *, void *, const void *, int)'),
      final: library.func('int EVP_EncryptFinal_ex(void *, void *, void *)'),
      control: library.func('int EVP_CIPHER_CTX_ctrl(void *, int, int, void *)'),
    } as unknown as OpenSsl;
  } catch {
    return undefined;
  }
}

/**
 * AES-256-GCM of the OpenSSL that Node carries and exports, from memory to memory: `node:crypto` makes new
 * memory for each answer, and copies it twice. One context serves the thread and is freed when it ends.
 * Undefined where Node's own OpenSSL cannot be called; `node:crypto` can always.
 */
export function gcmEncryptor(): GcmEncryptor | undefined {
  const openssl = load();
  if (openssl === undefined) return undefined;
  const context = openssl.newContext();
  if (context === null) throw new Error('OpenSSL has no memory for a context');
  process.once('exit', () => openssl.freeContext(context));
  const cipher = openssl.aes256gcm();
  const written = allocateNative(4).buffer;
  return (target, key, nonce, associated, plain) => {
    const isDone =
      key.length === 32 &&
      nonce.length === 12 &&
      target.length === plain.length + TAG_BYTES &&
      openssl.init(context, cipher, null, key, nonce) === 1 &&
      openssl.update(context, null, written, associated, associated.length) === 1 &&
      (plain.length === 0 || openssl.update(context, target, written, plain, plain.length) === 1) &&
      openssl.final(context, target.subarray(plain.length), written) === 1 &&
      openssl.control(context, GET_TAG, TAG_BYTES, target.subarray(plain.length)) === 1;
    if (!isDone) throw new Error('could not encrypt with AES-256-GCM');
  };
}

/**
 * A run of bytes held as a string with one character (0 to 255) a byte: the `latin1` reading of it.
 * Names and paths are bytes and need not be UTF-8; as one-byte strings they compare in byte order
 * with `<`, serve as `Map` keys, and cost V8 one byte a character.
 */
export type ByteString = string;

export function byteStringOf(bytes: Uint8Array): ByteString {
  return bufferOf(bytes).toString('latin1', 0, bytes.length);
}

export function bytesOf(text: ByteString): Buffer {
  return Buffer.from(text, 'latin1');
}

/** The bytes of `text` (ordinary JavaScript text) in UTF-8, as a byte string. */
export function byteStringFromText(text: string): ByteString {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is the same in both readings.
  return /^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

/** `bytes` as text for people: UTF-8 where it is valid, other bytes as U+FFFD. */
export function displayText(bytes: ByteString): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is the same in both readings.
  return /^[\x00-\x7f]*$/.test(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8');
}

/** A Buffer over the same memory. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function hexOf(bytes: Uint8Array): string {
  return bufferOf(bytes).toString('hex');
}

export function bytesFromHex(hex: string): Buffer {
  return Buffer.from(hex, 'hex');
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && bufferOf(a).equals(b);
}

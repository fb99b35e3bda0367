import { type ByteString, byteStringFromText, bytesOf } from '../../base/mod.ts';

/** Control characters, and those that change the direction of what follows. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const UNSAFE = /[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** `text` as one line that cannot move the cursor, change colours, or look like another line. */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, (character) => SHORT[character] ?? escapeCode(character.charCodeAt(0)));
}

/** A name or path for people: bytes that are not UTF-8 as `\xNN`, the rest as {@link escapeText} does. */
export function escapePath(path: ByteString): string {
  if (/^[\x20-\x7e]*$/.test(path)) return path;
  const text = bytesOf(path).toString('utf8');
  if (!text.includes('\ufffd')) return escapeText(text);
  // Byte by byte where needed: a byte that is not part of a valid sequence stands for itself.
  let shown = '';
  for (let at = 0; at < path.length; ) {
    const length = sequenceLength(path, at);
    shown +=
      length === 0
        ? escapeCode(path.charCodeAt(at))
        : escapeText(bytesOf(path.slice(at, at + length)).toString('utf8'));
    at += Math.max(1, length);
  }
  return shown;
}

/** Whether a byte string is valid UTF-8, and so is what JSON shows of it. */
export function isUtf8(bytes: ByteString): boolean {
  return byteStringFromText(bytesOf(bytes).toString('utf8')) === bytes;
}

/** How many bytes the valid UTF-8 sequence at `at` has; 0 where there is none. */
function sequenceLength(bytes: ByteString, at: number): number {
  const first = bytes.charCodeAt(at);
  const length =
    first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  return isUtf8(bytes.slice(at, at + length)) && at + length <= bytes.length ? length : 0;
}

function escapeCode(code: number): string {
  return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
}

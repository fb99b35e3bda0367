import { type ByteString, byteStringFromText } from '../../base/mod.ts';

/** The code point that stands for a byte which is no part of valid UTF-8, as in Go. */
export const RUNE_ERROR = 0xfffd;

/**
 * The character at `at` in `text`, as code point × 8 + width in bytes (see `runeOf`, `widthOf`): one
 * number, so that the match loop allocates nothing. A byte that begins no valid, shortest-form UTF-8
 * sequence is `RUNE_ERROR` of width 1. `at` must be below the length.
 */
export function runeAt(text: ByteString, at: number): number {
  const lead = text.charCodeAt(at);
  if (lead < 0x80) return (lead << 3) | 1;
  const width = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (width === 0 || at + width > text.length) return (RUNE_ERROR << 3) | 1;
  let code = lead & (0x7f >> width);
  for (let i = 1; i < width; i++) {
    const byte = text.charCodeAt(at + i);
    if ((byte & 0xc0) !== 0x80) return (RUNE_ERROR << 3) | 1;
    code = (code << 6) | (byte & 0x3f);
  }
  const overlong = (width === 3 && code < 0x800) || (width === 4 && (code < 0x10000 || code > 0x10ffff));
  const surrogate = code >= 0xd800 && code <= 0xdfff;
  return overlong || surrogate ? (RUNE_ERROR << 3) | 1 : (code << 3) | width;
}

export function runeOf(rune: number): number {
  return rune >>> 3;
}

export function widthOf(rune: number): number {
  return rune & 7;
}

const CASED = /[A-Z]+|[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}/g;

/**
 * `text` with every UTF-8 character in lower case; bytes that are not UTF-8 stay as they are.
 * Characters are taken one by one, so the context rules of some languages (final sigma) do not apply.
 */
export function lowerCase(text: ByteString): ByteString {
  return /[A-Z\xc3-\xf4]/.test(text) ? text.replace(CASED, lowerSequence) : text;
}

function lowerSequence(sequence: ByteString): ByteString {
  if (sequence.charCodeAt(0) < 0x80) return sequence.toLowerCase();
  const rune = runeAt(sequence, 0);
  if (widthOf(rune) !== sequence.length) return sequence;
  const lower = String.fromCodePoint(runeOf(rune)).toLowerCase();
  return byteStringFromText(String.fromCodePoint(lower.codePointAt(0)!));
}

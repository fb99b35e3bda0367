import {
  type ByteString,
  byteStringFromText,
  byteStringOf,
  displayText,
  EverfullError,
} from '../../base/mod.ts';

/** Variables by name, as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The patterns of an exclude file, one a line: white space at the ends is trimmed, blank lines and
 * lines that begin with `#` are ignored, and `$NAME` and `${NAME}` are replaced from `environment` by
 * the rules of Go's `os.Expand` (an unset name by nothing, `$$` by `$`). UTF-8, or UTF-16 with a
 * byte-order mark.
 */
export function parseExcludeFile(bytes: Uint8Array, environment: Environment = process.env): ByteString[] {
  return meaningfulLines(bytes).map((line) => expandVariables(line, environment));
}

/** The patterns of a `--files-from` file: as an exclude file, but without variables. For `expandGlob`. */
export function parseFilesFrom(bytes: Uint8Array): ByteString[] {
  return meaningfulLines(bytes);
}

/** The paths of a `--files-from-verbatim` file: every line as it is, empty ones ignored. */
export function parseFilesFromVerbatim(bytes: Uint8Array): ByteString[] {
  return linesOf(bytes).filter((line) => line !== '');
}

/**
 * The paths of a `--files-from-raw` file: each ends with a NUL byte, nothing else is special.
 * Throws `usage` for an empty path and for a last path without its NUL.
 */
export function parseFilesFromRaw(bytes: Uint8Array): ByteString[] {
  const paths = byteStringOf(bytes).split('\0');
  if (paths.pop() !== '') {
    throw new EverfullError(
      'usage',
      'cannot read the list of raw paths: the last path does not end with NUL',
      {
        advice: 'End every path with a NUL byte, as `find -print0` does.',
      },
    );
  }
  const empty = paths.indexOf('');
  if (empty >= 0) {
    throw new EverfullError('usage', `cannot read the list of raw paths: path ${empty + 1} is empty`);
  }
  return paths;
}

function meaningfulLines(bytes: Uint8Array): ByteString[] {
  return linesOf(bytes)
    .map(trimSpace)
    .filter((line) => line !== '' && !line.startsWith('#'));
}

function linesOf(bytes: Uint8Array): ByteString[] {
  return utf8Text(bytes).split(/\r?\n/);
}

/**
 * `${…}` up to the brace; or one of `*#$@!?-0…9`; or letters, digits and `_`. An empty or unclosed
 * `${` is dropped; a `$` before anything else stays.
 */
const VARIABLE = /\$(?:\{([^}]*)\}|(\{)|([*#$@!?\-0-9])|([A-Za-z_]\w*))/g;

function expandVariables(line: ByteString, environment: Environment): ByteString {
  return line.replace(VARIABLE, (_, braced?: string, unclosed?: string, special?: string, plain?: string) => {
    const name = braced ?? special ?? plain ?? '';
    if (unclosed !== undefined || name === '') return '';
    if (name === '$') return '$';
    return byteStringFromText(environment[displayText(name)] ?? '');
  });
}

const SPACE =
  '(?:[\\t-\\r ]|\\xc2[\\x85\\xa0]|\\xe1\\x9a\\x80|\\xe2\\x80[\\x80-\\x8a\\xa8\\xa9\\xaf]|\\xe2\\x81\\x9f|\\xe3\\x80\\x80)';
const LEADING_SPACE = new RegExp(`^${SPACE}+`);
const TRAILING_SPACE = new RegExp(`${SPACE}+$`);

/** `text` without the white space (as Unicode defines it, in UTF-8) at its ends. */
function trimSpace(text: ByteString): ByteString {
  return text.replace(LEADING_SPACE, '').replace(TRAILING_SPACE, '');
}

/**
 * The bytes of a text file as UTF-8: a byte-order mark is taken off, and UTF-16 (which needs one) is
 * converted. Bytes without a mark are returned as they are.
 */
function utf8Text(bytes: Uint8Array): ByteString {
  const buffer = Buffer.from(bytes);
  if (buffer[0] === 0xef && buffer[1] === 0xbb && buffer[2] === 0xbf) return byteStringOf(buffer.subarray(3));
  if (buffer[0] === 0xff && buffer[1] === 0xfe) return fromUtf16(buffer.subarray(2));
  if (buffer[0] === 0xfe && buffer[1] === 0xff) return fromUtf16(evenLength(buffer.subarray(2)).swap16());
  return byteStringOf(buffer);
}

function evenLength(buffer: Buffer): Buffer {
  return buffer.subarray(0, buffer.length & ~1);
}

function fromUtf16(buffer: Buffer): ByteString {
  return byteStringFromText(buffer.toString('utf16le'));
}

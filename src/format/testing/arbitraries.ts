import fc, { type Arbitrary } from 'fast-check';
import { byteStringOf } from '../../base/mod.ts';
import { type Entry, EntryType } from '../entry.ts';
import { CHUNK_BYTES_MAX, type Content, type Piece } from '../piece.ts';

export const bytes = (length: number): Arbitrary<Buffer> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((array) => Buffer.from(array));

export const id = bytes(32);

/** Any bytes, as a name in a file system: no NUL and no slash. */
export const fileName: Arbitrary<string> = fc
  .oneof(
    fc.constantFrom('a', 'b', 'ab', 'etc', '...', '-x', '\xff', '\x01'),
    fc.uint8Array({ minLength: 1, maxLength: 12 }).map((array) => byteStringOf(array)),
  )
  .map((text) => text.replace(/[/\0]/g, '_'))
  .filter((text) => text !== '.' && text !== '..');

export const path: Arbitrary<string> = fc
  .array(fileName, { maxLength: 5 })
  .map((components) => `/${components.join('/')}`);

const whole = (max: number) => fc.oneof(fc.nat(200), fc.integer({ min: 0, max }));

export const piece: Arbitrary<Piece> = fc.oneof(
  fc.record({
    length: fc.integer({ min: 1, max: 2 ** 51 }),
    chunk: fc.constant(undefined),
    offset: fc.constant(0),
  }),
  fc
    .tuple(fc.integer({ min: 1, max: CHUNK_BYTES_MAX }), id, fc.nat(CHUNK_BYTES_MAX))
    .map(([length, chunk, offset]) => ({
      length,
      chunk,
      offset: Math.min(offset, CHUNK_BYTES_MAX - length),
    })),
);

const content: Arbitrary<Content> = fc.oneof(
  fc.record({ pieces: fc.array(piece, { maxLength: 4 }) }),
  fc.record({
    level: fc.nat(53),
    items: whole(Number.MAX_SAFE_INTEGER),
    length: whole(Number.MAX_SAFE_INTEGER),
    root: id,
  }),
);

const xattrs = fc
  .uniqueArray(fc.tuple(fileName, fc.uint8Array({ maxLength: 40 })), {
    selector: ([name]) => name,
    maxLength: 4,
  })
  .map((list) =>
    list
      .map(([name, value]) => ({ name, value: Buffer.from(value) }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  );

const attributes = {
  flags: fc.nat(3),
  mode: fc.nat(0o7777),
  uid: whole(0xffffffff),
  gid: whole(0xffffffff),
  mtimeSeconds: fc.oneof(fc.integer(), fc.integer({ min: -(2 ** 52), max: 2 ** 52 - 1 })),
  mtimeNanoseconds: fc.nat(999_999_999),
  xattrs,
  inodeFlags: whole(0xffffffff),
  linkGroup: fc.option(path, { nil: undefined }),
};
const none = fc.constant(undefined);
const zero = fc.constant(0);
const others = {
  fingerprint: none,
  content: none,
  target: none,
  deviceMajor: zero,
  deviceMinor: zero,
};

export const entry: Arbitrary<Entry> = fc.oneof(
  fc.record({ ...attributes, ...others, type: fc.constant(EntryType.file), fingerprint: id, content }),
  fc.record({
    ...attributes,
    ...others,
    type: fc.constantFrom(EntryType.folder, EntryType.fifo, EntryType.socket),
  }),
  fc.record({ ...attributes, ...others, type: fc.constant(EntryType.symlink), target: path }),
  fc.record({
    ...attributes,
    ...others,
    type: fc.constantFrom(EntryType.characterDevice, EntryType.blockDevice),
    deviceMajor: whole(0xffffffff),
    deviceMinor: whole(0xffffffff),
  }),
);

/** Splits at commas outside of parentheses. */
function parts(text: string): string[] {
  const found: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    const character = text[i];
    if (character === '(') depth++;
    else if (character === ')') depth--;
    else if (character === undefined || (character === ',' && depth === 0)) {
      found.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  return found;
}

/** Values of a field type, from the name that it has in `docs/format/`. */
export function ofType(name: string): Arbitrary<unknown> {
  if (name === 'u8') return fc.nat(255);
  if (name === 'u32') return whole(0xffffffff);
  if (name === 'u64') return whole(Number.MAX_SAFE_INTEGER);
  if (name === 'piece') return piece;
  const fixed = /^(\d+) bytes$/.exec(name);
  if (fixed !== null) return bytes(Number(fixed[1]));
  const bounded = /^(block|text) ≤ (\d+)$/.exec(name);
  if (bounded !== null) {
    const some = fc.uint8Array({ maxLength: Math.min(40, Number(bounded[2])) });
    return bounded[1] === 'block' ? some.map((array) => Buffer.from(array)) : some.map(byteStringOf);
  }
  const list = /^list ≤ (\d+) of (.*)$/.exec(name);
  if (list !== null) return fc.array(ofType(list[2]!), { maxLength: Math.min(5, Number(list[1])) });
  if (!name.startsWith('(')) throw new Error(`no values for "${name}"`);
  return fc.record(
    Object.fromEntries(
      parts(name.slice(1, -1)).map((field) => {
        const space = field.indexOf(' ');
        return [field.slice(0, space), ofType(field.slice(space + 1))];
      }),
    ),
  );
}

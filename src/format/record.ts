import { type ByteString, bufferOf, displayText, EverfullError } from '../base/mod.ts';
import { DIGEST_BYTES, type Digest } from './pack.ts';
import { ByteReader, ByteWriter } from './wire.ts';

/** One kind of field: how it is written, read and named in `docs/format/`. */
export interface FieldType<T> {
  readonly name: string;
  write(writer: ByteWriter, value: T): void;
  read(reader: ByteReader): T;
}

export const u8: FieldType<number> = { name: 'u8', write: (w, v) => void w.u8(v), read: (r) => r.u8() };
export const u32: FieldType<number> = { name: 'u32', write: (w, v) => void w.u32(v), read: (r) => r.u32() };
export const u64: FieldType<number> = { name: 'u64', write: (w, v) => void w.u64(v), read: (r) => r.u64() };

export function fixed(length: number): FieldType<Uint8Array> {
  return {
    name: `${length} bytes`,
    write(writer, value) {
      if (value.length !== length) throw new RangeError(`${value.length} bytes, not ${length}`);
      writer.bytes(value);
    },
    read: (reader) => reader.bytes(length),
  };
}

/** What no reader would accept must not be written either. */
function atMost<T extends { readonly length: number }>(value: T, max: number, what: string): T {
  if (value.length > max)
    throw new EverfullError('limit', `Could not write ${what}: it has ${value.length}, not at most ${max}`);
  return value;
}

export function block(max: number): FieldType<Uint8Array> {
  return {
    name: `block ≤ ${max}`,
    write: (w, v) => void w.block(atMost(v, max, 'a run of bytes')),
    read: (r) => r.block(max),
  };
}

export function text(max: number): FieldType<ByteString> {
  return {
    name: `text ≤ ${max}`,
    write: (w, v) => void w.text(atMost(v, max, `the text "${displayText(v.slice(0, 40))}…"`)),
    read: (r) => r.text(max),
  };
}

export function list<T>(of: FieldType<T>, max: number): FieldType<readonly T[]> {
  return {
    name: `list ≤ ${max} of ${of.name}`,
    write(writer, values) {
      writer.varint(atMost(values, max, 'a list').length);
      for (const value of values) of.write(writer, value);
    },
    read(reader) {
      const count = reader.varint(max);
      const values: T[] = [];
      for (let i = 0; i < count; i++) values.push(of.read(reader));
      return values;
    },
  };
}

// biome-ignore lint/suspicious/noExplicitAny: the value types differ field by field.
type AnyFields = Readonly<Record<string, FieldType<any>>>;
export type ValuesOf<F extends AnyFields> = {
  readonly [K in keyof F]: F[K] extends FieldType<infer T> ? T : never;
};

/** Fields one after another, in the order of `fields`. */
export function struct<F extends AnyFields>(fields: F): FieldType<ValuesOf<F>> & { readonly fields: F } {
  const entries = Object.entries(fields);
  return {
    fields,
    name: `(${entries.map(([name, type]) => `${name} ${type.name}`).join(', ')})`,
    write(writer, values) {
      for (const [name, type] of entries) type.write(writer, values[name]);
    },
    read(reader) {
      const values: Record<string, unknown> = {};
      for (const [name, type] of entries) values[name] = type.read(reader);
      return values as ValuesOf<F>;
    },
  };
}

const MAGIC = 'EVFL';
const HEAD_BYTES = 12;
/** Most bytes of a record: a manifest with many warnings is the largest. */
export const RECORD_BYTES_MAX = 16 * 1024 * 1024;

export interface RecordCodec<F extends AnyFields> {
  readonly kind: number;
  readonly version: number;
  readonly what: string;
  readonly fields: F;
  readonly bytesMax: number;
  /** Throws 'limit' for what would be above a limit of the format. */
  encode(value: ValuesOf<F>, digest: Digest): Buffer;
  /** Throws 'damaged', or 'repository-newer' where a later version wrote it. */
  decode(bytes: Uint8Array, digest: Digest): ValuesOf<F>;
}

/**
 * A small object of its own in the store: magic, kind, version, two zeros, payload length, the fields,
 * and the unkeyed BLAKE3 of all before it. `docs/format/record.md`
 */
export function record<F extends AnyFields>(
  kind: number,
  version: number,
  what: string,
  fields: F,
  bytesMax = RECORD_BYTES_MAX,
): RecordCodec<F> {
  const payload = struct(fields);
  return {
    kind,
    version,
    what,
    fields,
    bytesMax,
    encode(value, digest) {
      const writer = new ByteWriter().byteString(MAGIC).u8(kind).u8(version).u16(0).u32(0);
      payload.write(writer, value);
      const bytes = writer.finish();
      if (bytes.length + DIGEST_BYTES > bytesMax) {
        throw new EverfullError(
          'limit',
          `Could not write ${what}: it takes ${bytes.length + DIGEST_BYTES} bytes, not at most ${bytesMax}`,
        );
      }
      bytes.writeUInt32LE(bytes.length - HEAD_BYTES, 8);
      return Buffer.concat([bytes, digest(bytes)]);
    },
    decode(bytes, digest) {
      const buffer = bufferOf(bytes);
      const damaged = (why: string) => new EverfullError('damaged', `Could not read ${what}: ${why}`);
      if (buffer.length < HEAD_BYTES + DIGEST_BYTES) throw damaged(`${buffer.length} bytes are too few`);
      if (buffer.length > bytesMax) throw damaged(`${buffer.length} bytes are above the limit`);
      const end = buffer.length - DIGEST_BYTES;
      if (!buffer.subarray(end).equals(digest(buffer.subarray(0, end))))
        throw damaged('it does not match its digest');
      if (buffer.toString('latin1', 0, 4) !== MAGIC || buffer[4] !== kind)
        throw damaged('it is something else');
      if (buffer[5] !== version) {
        throw new EverfullError(
          'repository-newer',
          `Could not read ${what}: version ${buffer[5]}, not ${version}`,
          { advice: 'Use a newer version of everfull.' },
        );
      }
      if (buffer.readUInt16LE(6) !== 0 || buffer.readUInt32LE(8) !== end - HEAD_BYTES)
        throw damaged('its head does not fit');
      const reader = new ByteReader(buffer, what, HEAD_BYTES, end);
      const value = payload.read(reader);
      reader.done();
      return value;
    },
  };
}

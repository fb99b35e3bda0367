import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { bytesFromHex } from '../../base/mod.ts';

/** A page of `docs/format/`, as its tests read it. */
export function readPage(name: string): string {
  return readFileSync(new URL(`../../../docs/format/${name}`, import.meta.url), 'utf8');
}

export interface Table {
  /** The text of the heading above it. */
  readonly heading: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The tables of a page in order. */
export function tablesOf(page: string): Table[] {
  const tables: Table[] = [];
  let heading = '';
  let open: { heading: string; columns: string[]; rows: string[][] } | undefined;
  for (const line of page.split('\n')) {
    if (/^#+ /.test(line)) heading = line.replace(/^#+ /, '');
    if (!line.startsWith('|')) {
      open = undefined;
      continue;
    }
    const cells = line
      .slice(1, line.lastIndexOf('|'))
      .split('|')
      .map((cell) => cell.trim().replaceAll('`', ''));
    if (open === undefined) {
      open = { heading, columns: cells, rows: [] };
      tables.push(open);
    } else if (!cells.every((cell) => /^-+$/.test(cell))) {
      open.rows.push(cells);
    }
  }
  return tables;
}

/** The one table under a heading. */
export function tableUnder(page: string, heading: string): Table {
  const found = tablesOf(page).filter((table) => table.heading === heading);
  assert.equal(found.length, 1, `tables under "${heading}"`);
  return found[0]!;
}

/** What a line of a vector says: the bytes at some place, and the value that they stand for. */
export interface Statement {
  readonly path: string;
  readonly bytes: Buffer;
  /** Parsed JSON; undefined where the bytes are the value. */
  readonly value: unknown;
}

export interface Vector {
  readonly codec: string;
  readonly name: string;
  readonly bytes: Buffer;
  readonly statements: readonly Statement[];
}

/**
 * The test vectors of a page. A block begins with `vector CODEC NAME`; its lines are
 * `HEX path = JSON`, `HEX path` where the bytes are the value, or `HEX (remark)`.
 */
export function vectorsOf(page: string): Vector[] {
  const vectors: Vector[] = [];
  for (const [, codec, name, body] of page.matchAll(/^```vector (\S+) ?(.*)\n([^`]*)```$/gm)) {
    const statements: Statement[] = [];
    const parts: Buffer[] = [];
    for (const line of body!.trimEnd().split('\n')) {
      const match = /^([0-9a-f]*) *(?:\((.*)\)|([\w.]+)(?: = (.*))?)?$/.exec(line);
      assert.ok(match !== null && match[1]!.length % 2 === 0, `cannot read "${line}" of ${codec} ${name}`);
      const bytes = bytesFromHex(match[1]!);
      parts.push(bytes);
      if (match[3] !== undefined)
        statements.push({
          path: match[3],
          bytes,
          value: match[4] === undefined ? undefined : JSON.parse(match[4]),
        });
    }
    vectors.push({ codec: codec!, name: name!, bytes: Buffer.concat(parts), statements });
  }
  return vectors;
}

/** The only vector of a codec on a page, or that of a name. */
export function vectorOf(page: string, codec: string, name?: string): Vector {
  const found = vectorsOf(page).filter(
    (vector) => vector.codec === codec && (name === undefined || vector.name === name),
  );
  assert.equal(found.length, 1, `vectors ${codec} ${name}`);
  return found[0]!;
}

function valueAt(value: unknown, path: string): unknown {
  let at = value;
  for (const name of path.split('.')) at = (at as Record<string, unknown> | undefined)?.[name];
  return at;
}

function leaves(value: unknown, path: string, out: Map<string, unknown>): void {
  if (value === undefined || value === 0 || value === '') return;
  if (typeof value === 'object' && !(value instanceof Uint8Array)) {
    for (const [name, part] of Object.entries(value!))
      leaves(part, path === '' ? name : `${path}.${name}`, out);
  } else {
    out.set(path, value);
  }
}

/** Asserts that `decoded` has exactly the values that the vector states; what is 0 or absent need not be. */
export function assertStated(vector: Vector, decoded: object): void {
  const unstated = new Map<string, unknown>();
  leaves(decoded, '', unstated);
  for (const { path, bytes, value } of vector.statements) {
    const found = valueAt(decoded, path);
    if (value === undefined) assert.deepEqual(Buffer.from(found as Uint8Array), bytes, path);
    else assert.deepEqual(found, value, path);
    unstated.delete(path);
  }
  assert.deepEqual([...unstated.keys()], [], `unstated values of ${vector.codec} ${vector.name}`);
}

/**
 * Asserts that a table of offset, bytes and name covers `bytes` without a gap, and that each field that
 * `values` has a value for lies where the table says, little-endian.
 */
export function assertLayout(table: Table, bytes: Buffer, values: Readonly<Record<string, unknown>>): void {
  let end = 0;
  const named = new Set<string>();
  for (const [offset, length, name] of table.rows) {
    assert.equal(Number(offset), end, `offset of ${name} in "${table.heading}"`);
    end += Number(length);
    const value = values[name!];
    if (value === undefined) continue;
    named.add(name!);
    const field = bytes.subarray(Number(offset), end);
    if (typeof value === 'number') {
      let number = 0;
      for (const byte of field.toReversed()) number = number * 256 + byte;
      assert.equal(number, value, name);
    } else if (typeof value === 'string') {
      assert.equal(field.toString('latin1'), value, name);
    } else {
      assert.deepEqual(field, Buffer.from(value as Uint8Array), name);
    }
  }
  assert.equal(end, bytes.length, `bytes in all of "${table.heading}"`);
  assert.deepEqual([...named].sort(), Object.keys(values).sort(), `fields of "${table.heading}"`);
}

/** The numbers or digits in a block that begins with `values NAME`. */
export function valuesOf(page: string, name: string): string[] {
  const match = new RegExp(`^\`\`\`values ${name}\n([^\`]*)\`\`\`$`, 'm').exec(page);
  assert.ok(match !== null, `values ${name}`);
  return match[1]!.trim().split(/\s+/);
}

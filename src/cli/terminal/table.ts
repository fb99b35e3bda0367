import { stripVTControlCharacters } from 'node:util';

/** A column of {@link tableLines}. */
export interface Column {
  readonly title: string;
  readonly align?: 'right';
}

/**
 * A table for people. A cell is one or several lines; there are rules below the titles and at the end.
 * The cells must be harmless already (`escapeText`).
 */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly (string | readonly string[])[])[],
): string[] {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === 'string' ? [cell] : cell)));
  const widths = columns.map(({ title }, i) =>
    Math.max(width(title), ...cells.flatMap((row) => row[i]!.map(width))),
  );
  const lineOf = (texts: readonly string[]) =>
    texts
      .map((text, i) => {
        const padding = ' '.repeat(widths[i]! - width(text));
        return columns[i]!.align === 'right' ? padding + text : text + padding;
      })
      .join('  ')
      .trimEnd();
  const rule = '-'.repeat(widths.reduce((sum, next) => sum + next, 0) + 2 * (widths.length - 1));
  const body = cells.flatMap((row) => {
    const height = Math.max(1, ...row.map((cell) => cell.length));
    return Array.from({ length: height }, (_, line) => lineOf(row.map((cell) => cell[line] ?? '')));
  });
  return [lineOf(columns.map(({ title }) => title)), rule, ...body, rule];
}

/** Columns that a text takes; characters of East Asian scripts take two. */
function width(text: string): number {
  let columns = 0;
  for (const character of stripVTControlCharacters(text))
    columns += isWide(character.codePointAt(0)!) ? 2 : 1;
  return columns;
}

function isWide(code: number): boolean {
  return (
    code >= 0x1100 &&
    (code <= 0x115f ||
      (code >= 0x2e80 && code <= 0xa4cf) ||
      (code >= 0xac00 && code <= 0xd7a3) ||
      (code >= 0xf900 && code <= 0xfaff) ||
      (code >= 0xfe30 && code <= 0xfe6f) ||
      (code >= 0xff00 && code <= 0xff60) ||
      (code >= 0x1f300 && code <= 0x1faff) ||
      (code >= 0x20000 && code <= 0x3fffd))
  );
}

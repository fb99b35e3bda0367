import type { SourceFile, Violation } from './source.ts';

/** What one can hold in the head while reading, with room to spare. */
export const LINES_MAX = 500;

/** No file is too long to be read at a sitting. */
export function size(files: readonly SourceFile[]): Violation[] {
  return files
    .map(({ path, text }) => ({ path, lines: text.replace(/\n$/, '').split('\n').length }))
    .filter(({ lines }) => lines > LINES_MAX)
    .map(({ path, lines }) => ({ path, message: `has ${lines} lines: at most ${LINES_MAX}` }));
}

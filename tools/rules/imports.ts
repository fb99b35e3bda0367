import { posix } from 'node:path';
import { folderOf, type SourceFile } from './source.ts';
import { type Token, tokensOf } from './tokens.ts';

/** A file or package that a file names. */
export interface Import {
  readonly line: number;
  /** As written. */
  readonly specifier: string;
  /** The path from the project's folder, for a relative specifier. */
  readonly target?: string;
  /** Loaded by `new URL('./worker.ts', import.meta.url)`, as worker threads are. */
  readonly byUrl: boolean;
}

const known = new WeakMap<SourceFile, Import[]>();

/**
 * Everything that a file imports: `import` and `export … from` in all forms, types too,
 * `import('…')` with a literal, and files named inside `new URL(…)`.
 */
export function importsOf(file: SourceFile): Import[] {
  const imports = known.get(file) ?? findImports(file);
  known.set(file, imports);
  return imports;
}

function findImports(file: SourceFile): Import[] {
  const imports: Import[] = [];
  const tokens = tokensOf(file.text);
  const folder = folderOf(file.path);
  let urlDepth = 0;
  for (const [index, token] of tokens.entries()) {
    if (urlDepth > 0 || (is(token, '(') && is(tokens[index - 1], 'URL'))) {
      if (is(token, '(')) urlDepth++;
      if (is(token, ')')) urlDepth--;
    }
    if (token.kind !== 'string') continue;
    const byUrl = urlDepth > 0 && /^\.\.?\/.*\.ts$/.test(token.text);
    if (!byUrl && !isSpecifier(tokens, index)) continue;
    imports.push({
      line: token.line,
      specifier: token.text,
      ...(/^\.\.?\//.test(token.text) && { target: posix.join(folder, token.text) }),
      byUrl,
    });
  }
  return imports;
}

function isSpecifier(tokens: readonly Token[], index: number): boolean {
  const before = tokens[index - 1];
  return is(before, 'from') || is(before, 'import') || (is(before, '(') && is(tokens[index - 2], 'import'));
}

function is(token: Token | undefined, text: string): boolean {
  return token !== undefined && token.kind !== 'string' && token.text === text;
}

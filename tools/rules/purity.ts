import { isBuiltin } from 'node:module';
import { importsOf } from './imports.ts';
import { isTest, layerOf, type SourceFile, type Violation } from './source.ts';

/** Codecs and the image reader run in a browser as well: nothing of Node's may be imported there. */
const PURE = new Set(['format', 'image']);

export function purity(files: readonly SourceFile[]): Violation[] {
  return files
    .filter(({ path }) => PURE.has(layerOf(path) ?? '') && !isTest(path))
    .flatMap((file) =>
      importsOf(file)
        .filter(({ specifier }) => isBuiltin(specifier))
        .map(({ line, specifier }) => ({
          path: file.path,
          line,
          message: `imports '${specifier}': what needs Node comes in through a port`,
        })),
    );
}

import { isTest, layerOf, type SourceFile, type Violation } from './source.ts';
import { tokensOf } from './tokens.ts';

/** Programs, which choose what the engine runs on, and the folder itself. */
const MAY_NAME = new Set(['store', 'cli']);

/** Only programs build concrete stores; all else is given an `ObjectStore`. */
export function stores(files: readonly SourceFile[]): Violation[] {
  return files
    .filter(({ path }) => !isTest(path) && !MAY_NAME.has(layerOf(path) ?? ''))
    .flatMap(({ path, text }) =>
      tokensOf(text)
        .filter(
          (token) => token.kind === 'word' && /^(?:create|open)?(?:Folder|Memory|S3)Store$/.test(token.text),
        )
        .map(({ line, text }) => ({ path, line, message: `names '${text}': take an ObjectStore instead` })),
    );
}

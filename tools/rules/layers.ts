import { importsOf } from './imports.ts';
import { isTest, layerOf, type SourceFile, type Violation } from './source.ts';

/** The folders of `src`, lowest first. A folder imports from those before it. */
export const LAYERS = [
  'base',
  'os',
  'format',
  'block',
  'store',
  'crypto',
  'chunk',
  'repository',
  'image',
  'catalog',
  'capture',
  'restore',
  'operations',
  'cli',
];

/** Folders that see less than all that is below them. */
const SEES_ONLY: Readonly<Record<string, readonly string[]>> = { format: ['base'] };

/** Imports between the folders of `src` go down, and never out of `src`. */
export function layers(files: readonly SourceFile[]): Violation[] {
  const violations: Violation[] = [];
  const unknown = new Set<string>();
  for (const file of files) {
    const from = layerOf(file.path);
    if (from === undefined) continue;
    if (!LAYERS.includes(from)) {
      if (!unknown.has(from)) {
        violations.push({ path: `src/${from}`, message: 'has no place in LAYERS of tools/rules/layers.ts' });
      }
      unknown.add(from);
      continue;
    }
    for (const { line, specifier, target } of importsOf(file)) {
      if (target === undefined) continue;
      const to = layerOf(target);
      const message =
        to === undefined ? outside(file.path, specifier) : to === from ? undefined : crossing(from, to);
      if (message !== undefined) violations.push({ path: file.path, line, message });
    }
  }
  return violations;
}

function outside(path: string, specifier: string): string | undefined {
  return isTest(path) ? undefined : `imports '${specifier}', which is outside of src`;
}

function crossing(from: string, to: string): string | undefined {
  const visible = SEES_ONLY[from] ?? LAYERS.slice(0, LAYERS.indexOf(from));
  return visible.includes(to)
    ? undefined
    : `'${from}' may not import '${to}': it may import ${visible.join(', ')}`;
}

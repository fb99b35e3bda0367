import { importsOf } from './imports.ts';
import { folderOf, isTest, type SourceFile, type Violation } from './source.ts';

/** No file imports itself through others, types included. */
export function fileCycles(files: readonly SourceFile[]): Violation[] {
  return circles(files, (path) => path);
}

/** No folder of `src` imports itself through others, tests aside: nothing imports a test. */
export function folderCycles(files: readonly SourceFile[]): Violation[] {
  return circles(
    files.filter(({ path }) => !isTest(path)),
    folderOf,
  );
}

function circles(files: readonly SourceFile[], nodeOf: (path: string) => string): Violation[] {
  const edges = new Map<string, Set<string>>();
  for (const file of files) {
    const from = nodeOf(file.path);
    const targets = edges.get(from) ?? new Set();
    edges.set(from, targets);
    for (const { target, byUrl } of importsOf(file)) {
      // A worker may import what starts it: it runs in a module graph of its own.
      if (target !== undefined && !byUrl && nodeOf(target) !== from) targets.add(nodeOf(target));
    }
  }

  const violations: Violation[] = [];
  const done = new Set<string>();
  const trail: string[] = [];
  const visit = (node: string): void => {
    const start = trail.indexOf(node);
    if (start >= 0) {
      violations.push({
        path: node,
        message: `imports itself: ${[...trail.slice(start), node].join(' -> ')}`,
      });
      return;
    }
    if (done.has(node)) return;
    trail.push(node);
    for (const next of edges.get(node) ?? []) visit(next);
    trail.pop();
    done.add(node);
  };
  for (const node of edges.keys()) visit(node);
  return violations;
}

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { SourceFile } from './rules/mod.ts';

/** The project's folder. */
export const root = dirname(import.meta.dirname);

/** The paths, from the project's folder, of all TypeScript files that are ours, sorted. */
export function sourcePaths(): string[] {
  const present = readdirSync(root);
  return ['src', 'test', 'tools', 'bench', 'simulation']
    .filter((folder) => present.includes(folder))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map(
        (path) => `${folder}/${path}`,
      ),
    )
    .filter((path) => path.endsWith('.ts'))
    .sort();
}

export function readSources(): SourceFile[] {
  return sourcePaths().map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

/** A file of the project: its path from the project's folder, and its whole text. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** What a rule holds against a file. */
export interface Violation {
  readonly path: string;
  /** From 1; left out where the whole file or folder is meant. */
  readonly line?: number;
  readonly message: string;
}

/** A rule looks at all files at once, so that it can see what is missing and what goes in circles. */
export type Rule = (files: readonly SourceFile[]) => Violation[];

/** The folder of a path, `src/format` of `src/format/pack.ts`. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** The layer of a path, `restore` of `src/restore/access/mount.ts`, or undefined outside of `src`. */
export function layerOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

/** Whether a file is no part of the program: a test, what tests share in a folder `testing`, a tool. */
export function isTest(path: string): boolean {
  return path.endsWith('.test.ts') || !path.startsWith('src/') || path.includes('/testing/');
}

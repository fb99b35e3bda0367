import { folderOf, type SourceFile, type Violation } from './source.ts';

const SAYS_NOTHING = new Set(['util', 'utils', 'common', 'misc', 'helper', 'helpers']);

/** Folders and files are named after things in our domain. */
export function names(files: readonly SourceFile[]): Violation[] {
  return files
    .filter(({ path }) => path.split('/').some((part) => SAYS_NOTHING.has(part.replace(/\..*$/, ''))))
    .map(({ path }) => ({
      path,
      message: 'has a name that says nothing: name it after a thing in our domain',
    }));
}

/** Every folder of `src` has its `mod.ts`; `cli`, which nothing imports, has `main.ts`; `testing` has no door. */
export function doorsExist(files: readonly SourceFile[]): Violation[] {
  const paths = new Set(files.map(({ path }) => path));
  const folders = new Set(
    [...paths].filter((path) => path.startsWith('src/') && !path.includes('/testing/')).map(folderOf),
  );
  return [...folders]
    .map((folder) => ({ folder, door: folder === 'src/cli' ? 'main.ts' : 'mod.ts' }))
    .filter(({ folder, door }) => !paths.has(`${folder}/${door}`))
    .map(({ folder, door }) => ({ path: folder, message: `has no ${door}` }));
}

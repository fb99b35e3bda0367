import { importsOf } from './imports.ts';
import { folderOf, isTest, type SourceFile, type Violation } from './source.ts';

/**
 * A folder of `src` is imported through its `mod.ts`, which lists its exports by name.
 * Within one folder, and from a subfolder to the files of the folders around it, any file may be named.
 * What tests share stands in a folder `testing`, which has no door and which tests alone import.
 */
export function doors(files: readonly SourceFile[]): Violation[] {
  const violations: Violation[] = [];
  for (const file of files) {
    const from = folderOf(file.path);
    for (const { line, specifier, target, byUrl } of importsOf(file)) {
      if (target === undefined || byUrl || !target.startsWith('src/')) continue;
      const to = folderOf(target);
      const open = to.endsWith('/testing') ? isTest(file.path) : target.endsWith('/mod.ts');
      if (open || `${from}/`.startsWith(`${to}/`)) continue;
      const wanted = to.endsWith('/testing') ? 'only tests may' : `the door is ${to}/mod.ts`;
      violations.push({ path: file.path, line, message: `imports '${specifier}': ${wanted}` });
    }
    if (/^src\/.*\/mod\.ts$/.test(file.path)) {
      for (const [index, text] of file.text.split('\n').entries()) {
        if (!/^\s*export\s*\*/.test(text)) continue;
        violations.push({ path: file.path, line: index + 1, message: 'exports *: list the exports by name' });
      }
    }
  }
  return violations;
}

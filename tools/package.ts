/** `npm run package`: builds the npm package and leaves its tarball in `dist/`. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './project.ts';

/**
 * Compiles the sources and packs them as they would be published, into `folder`, which is emptied first.
 * Needs `npm` in PATH. Returns the path of the tarball.
 */
export function buildPackage(folder: string): string {
  rmSync(folder, { recursive: true, force: true });
  const stage = join(folder, 'package');
  mkdirSync(stage, { recursive: true });
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const dist = join(stage, 'dist');
  execFileSync(process.execPath, [compiler, '--project', 'tsconfig.build.json', '--outDir', dist], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  // The compiler leaves what is not TypeScript behind.
  cpSync(join(root, 'src'), dist, {
    recursive: true,
    filter: (path) => !/\.ts$|\/testing$|\/testdata$/.test(path),
  });
  for (const name of ['LICENSE', 'README.md']) {
    if (existsSync(join(root, name))) cpSync(join(root, name), join(stage, name));
  }
  writeFileSync(join(stage, 'package.json'), `${JSON.stringify(publishedManifest(), null, 2)}\n`);
  const packed = execFileSync('npm', ['pack', stage, '--pack-destination', folder, '--loglevel=error'], {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 2],
  });
  return join(folder, packed.trim());
}

/** The package as users get it: compiled, on a Node of their own, without what only development needs. */
function publishedManifest(): object {
  const { name, version, description, license, type, dependencies } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  return {
    name,
    version,
    description,
    license,
    type,
    bin: { everfull: 'dist/cli/main.js' },
    files: ['dist'],
    engines: { node: '>=24' },
    os: ['linux'],
    dependencies,
  };
}

if (import.meta.main) process.stdout.write(`${buildPackage(join(root, 'dist'))}\n`);

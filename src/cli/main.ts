#!/usr/bin/env node
/** Imports almost nothing: what asks for the version must not wait for the rest. */
import { readFileSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

const { argv, env } = process;
const parameters = argv.slice(2);

function version(): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version;
}

/** Compiled code is kept beside the caches, which halves the time to start; where that cannot be, nothing is lost. */
function keepCompiledCode(): void {
  const caches =
    env.EVERFULL_CACHE_DIR || (env.HOME && join(env.XDG_CACHE_HOME || join(env.HOME, '.cache'), 'everfull'));
  if (caches && !parameters.includes('--no-cache')) enableCompileCache(join(caches, 'compiled'));
}

if (parameters.length === 1 && ['--version', 'version'].includes(parameters[0]!)) {
  process.stdout.write(`everfull ${version()}\n`);
} else {
  keepCompiledCode();
  const { main } = await import('./program.ts');
  await main(parameters, version());
}

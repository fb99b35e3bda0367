/**
 * `npm run check`: types, lint and format, and the rules of tools/rules.
 * All of them run, whichever fail; the exit code is 1 when one did.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { readSources, root } from './project.ts';
import { rules } from './rules/mod.ts';

interface Outcome {
  readonly name: string;
  readonly failed: boolean;
  readonly output: string;
}

/** Runs a package's JavaScript entry with this Node: its `.bin` link would look for one in PATH. */
function runPackage(name: string, script: string, parameters: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(root, 'node_modules', script), ...parameters],
      { cwd: root, maxBuffer: 1 << 26 },
      (error, stdout, stderr) => resolve({ name, failed: error !== null, output: stdout + stderr }),
    );
  });
}

function applyRules(): Outcome {
  const files = readSources();
  const lines = rules
    .flatMap((rule) => rule(files))
    .map(({ path, line, message }) => `${path}${line === undefined ? '' : `:${line}`} ${message}\n`);
  return { name: 'rules', failed: lines.length > 0, output: lines.join('') };
}

const outcomes = await Promise.all([
  runPackage('types', 'typescript/bin/tsc', ['--project', root, '--pretty', 'false']),
  runPackage('lint and format', '@biomejs/biome/bin/biome', ['ci', '--colors=off', '--max-diagnostics=100']),
  applyRules(),
]);
for (const { name, failed, output } of outcomes) {
  process.stdout.write(failed ? `${output}check: ${name}: failed\n` : `check: ${name}: ok\n`);
}
process.exitCode = outcomes.some(({ failed }) => failed) ? 1 : 0;

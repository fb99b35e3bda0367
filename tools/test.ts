/**
 * `npm test`: the checks, then every test with Node's test runner, the npm package's among them.
 * `npm test -- NAME…` runs only the test files whose path contains one of the names, without the checks.
 */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { root, sourcePaths } from './project.ts';

/** Far above what any test takes: a test that hangs ends as a failure, with its name. */
const TIMEOUT_MS = 10 * 60_000;

function run(...parameters: string[]): number {
  const { status, error } = spawnSync(process.execPath, parameters, { cwd: root, stdio: 'inherit' });
  if (error !== undefined) throw error;
  return status ?? 1;
}

const filters = process.argv.slice(2);
const files = sourcePaths().filter(
  (path) =>
    path.endsWith('.test.ts') && (filters.length === 0 || filters.some((name) => path.includes(name))),
);
if (files.length === 0) {
  process.stderr.write(`no test file has a path that contains ${filters.join(' or ')}\n`);
  process.exit(1);
}
// Both run even if the first fails: one run shows all that is wrong.
const checked = filters.length === 0 ? run('tools/check.ts') : 0;
const tested = run(
  '--disable-warning=ExperimentalWarning',
  '--test',
  '--test-reporter=spec',
  `--test-concurrency=${availableParallelism()}`,
  `--test-timeout=${TIMEOUT_MS}`,
  ...files,
);
if (checked !== 0) process.stdout.write('npm run check failed: see above\n');
process.exitCode = checked || tested;

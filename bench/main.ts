/** `npm run bench [TREE]`: Everfull beside restic and borg. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Row } from './bench.ts';
import { CommandFailed } from './measure.ts';
import { EMPTY_PAGE, markdownOf, missesOf, withMeasurements } from './report.ts';
import { ROWS } from './rows/mod.ts';
import { runBench } from './run.ts';
import { FULL_SCALE, TINY_SCALE } from './scale.ts';
import { borgTool, everfullTool, resticTool } from './tools.ts';

const ROOT = resolve(import.meta.dirname, '..');
const PAGE = join(ROOT, 'docs/PERFORMANCE.md');

const HELP = `Usage: npm run bench -- [TREE] [options]

Measures Everfull beside restic and borg on a copy of TREE (default /usr) and writes
docs/PERFORMANCE.md when every tool and every row but those of --skip took part.
With two cores a full run takes about 40 minutes. The tree and repositories need about
four times the size of TREE and 20 GiB.

  --floors           end with 1 when a row misses what it has to reach
  --only ROW,ROW     these rows alone; rows: ${ROWS.map((row) => row.name).join(' ')}
  --skip ROW,ROW     all but these rows
  --tools T,T        beside Everfull, these tools (default restic,borg; "none")
  --rounds N         measured runs of each tool (default 3)
  --work DIR         where the copy and the repositories go (default $TMPDIR or /var/tmp);
  --everfull CMD     the command under test (default ./everfull)
  --installed CMD    the installed command (default: packs the package and installs it)
  --output FILE      the page to write, whatever took part
  --tiny             small sizes, to see that every row works
  --json             the report as JSON on standard output
`;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    floors: { type: 'boolean', default: false },
    only: { type: 'string' },
    skip: { type: 'string', default: '' },
    tools: { type: 'string', default: 'restic,borg' },
    rounds: { type: 'string' },
    work: { type: 'string' },
    everfull: { type: 'string', default: join(ROOT, 'everfull') },
    installed: { type: 'string' },
    output: { type: 'string' },
    tiny: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

if (options.help) process.stdout.write(HELP);
else {
  process.exitCode = await main().catch((error: unknown) => {
    if (error instanceof CommandFailed) return refuse(error.message);
    throw error;
  });
}

async function main(): Promise<number> {
  const scale = options.tiny ? TINY_SCALE : FULL_SCALE;
  const rounds = options.rounds === undefined ? scale.rounds : Number(options.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) return refuse(`Could not take "${options.rounds}" rounds`);
  if (positionals.length > 1) return refuse(`Could not take ${positionals.length} trees: one is backed up`);

  const known = new Map([resticTool(), borgTool()].map((tool) => [tool.name as string, tool]));
  const toolNames = options.tools === 'none' ? [] : options.tools.split(',');
  const rowNames = new Set(options.only?.split(',') ?? ROWS.map((row) => row.name));
  const skipped = options.skip.split(',').filter(Boolean);
  const strange = [
    ...toolNames.filter((name) => !known.has(name)),
    ...[...rowNames, ...skipped].filter((name) => !ROWS.some((row) => row.name === name)),
  ];
  if (strange.length > 0) return refuse(`Could not find "${strange.join('", "')}": no such tool or row`);
  const rows: Row[] = ROWS.filter((row) => rowNames.has(row.name) && !skipped.includes(row.name));

  const report = await runBench({
    scale: { ...scale, rounds },
    rows,
    everfull: everfullTool(programOf(options.everfull)),
    others: toolNames.map((name) => known.get(name)!),
    tree: resolve(positionals[0] ?? '/usr'),
    work: resolve(options.work ?? process.env.TMPDIR ?? '/var/tmp'),
    installed: options.installed === undefined ? undefined : programOf(options.installed),
    leftOut: ROWS.filter((row) => !rows.includes(row)).map((row) => row.name),
    commandLine: ['npm run bench', '--', ...process.argv.slice(2)].join(' ').replace(/ --$/, ''),
    log: (text) => process.stderr.write(`${text}\n`),
  });

  const table = markdownOf(report, readFileSync(join(import.meta.dirname, 'method.md'), 'utf8'));
  process.stdout.write(options.json ? `${JSON.stringify(report, undefined, 2)}\n` : table);
  const whole = options.only === undefined && toolNames.length === known.size && !options.tiny;
  const page = options.output ?? (whole ? PAGE : undefined);
  if (page !== undefined) {
    writeFileSync(page, withMeasurements(existsSync(page) ? readFileSync(page, 'utf8') : EMPTY_PAGE, table));
  }
  const misses = missesOf(report);
  for (const miss of misses) process.stderr.write(`missed: ${miss}\n`);
  const failed = report.rows.some((row) => row.failure !== undefined);
  return failed || (options.floors && misses.length > 0) ? 1 : 0;
}

/** The words of a command; a path to an existing file is taken as it is. */
function programOf(text: string): string[] {
  return existsSync(text) ? [resolve(text)] : text.split(' ').filter(Boolean);
}

function refuse(message: string): number {
  process.stderr.write(`${message}.\n`);
  return 1;
}

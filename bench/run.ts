/** One run of the benchmark: the rows in their order, on a copy of the tree that is removed afterwards. */
import { cpus, release, totalmem } from 'node:os';
import { Bench, type Row } from './bench.ts';
import { measure } from './measure.ts';
import { type Report, type RowResult, show } from './report.ts';
import type { Scale } from './scale.ts';
import type { EverfullTool, Tool } from './tools.ts';
import { type Extent, extentOf, Workspace } from './workspace.ts';

export interface RunOptions {
  readonly scale: Scale;
  readonly rows: readonly Row[];
  readonly everfull: EverfullTool;
  readonly others: readonly Tool[];
  /** What to copy and to back up. Only read. */
  readonly tree: string;
  /** Where the run makes its own folder. */
  readonly work: string;
  readonly installed: readonly string[] | undefined;
  /** Names of the rows that are not run. */
  readonly leftOut: readonly string[];
  /** As it was typed, for the report. */
  readonly commandLine: string;
  readonly log: (text: string) => void;
}

/**
 * Runs `rows` and returns what they measured. A row that fails is in the report with its reason; the rows after
 * it still run.
 */
export async function runBench(options: RunOptions): Promise<Report> {
  const tools = [options.everfull, ...options.others];
  const versions = await versionsOf(tools);
  const workspace = new Workspace(options.work);
  const interrupted = () => {
    workspace.remove();
    process.exit(130);
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    options.log(`copying ${options.tree} to ${workspace.folder}`);
    const tree = workspace.copyTree(options.tree);
    const extent = extentOf(tree);
    const bench = new Bench({ ...options, workspace, tools, tree });
    const rows: RowResult[] = [];
    for (const row of options.rows) rows.push(await runRow(row, bench));
    return { facts: factsOf(options, versions, extent), rows };
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    workspace.remove();
  }
}

async function runRow(row: Row, bench: Bench): Promise<RowResult> {
  const head = { row: row.name, title: row.title };
  bench.log(row.title);
  try {
    return { ...head, ...(await row.run(bench)) };
  } catch (error) {
    bench.log(`  failed: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
    return { ...head, lines: [], failure: error instanceof Error ? error.message : String(error) };
  }
}

async function versionsOf(tools: readonly Tool[]): Promise<string[]> {
  const versions: string[] = [];
  for (const tool of tools) {
    const { stdout } = await measure(tool.version());
    const text = stdout.toString('utf8').split('\n')[0]!.trim();
    versions.push(text.startsWith(tool.name) ? text : `${tool.name} ${text}`);
  }
  return versions;
}

function factsOf(options: RunOptions, versions: readonly string[], tree: Extent): Record<string, string> {
  const { scale } = options;
  const [processor] = cpus();
  return {
    Date: new Date().toISOString().slice(0, 10),
    Machine: `${cpus().length} cores (${processor?.model.trim() || process.arch}), ${show(totalmem(), 'bytes')} of memory, Linux ${release()}`,
    Versions: `${versions.join('; ')}; Node ${process.versions.node}`,
    Command: `\`${options.commandLine}\``,
    Tree: `a copy of ${options.tree}: ${show(tree.entries, 'count')} entries, ${show(tree.bytes, 'bytes')}`,
    Rounds: `medians of ${scale.rounds}${scale.name === 'full' ? '' : `; sizes: ${scale.name}, no figures to go by`}`,
    ...(options.leftOut.length === 0 ? {} : { 'Not measured': options.leftOut.join(', ') }),
  };
}

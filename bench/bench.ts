/** What every row is given: tools, sizes, the tree with its repositories, and the loop over rounds. */
import { Dice } from './content.ts';
import { type Command, measure, type Run } from './measure.ts';
import { median, type RowResult } from './report.ts';
import type { Scale } from './scale.ts';
import type { EverfullTool, Repository, Tool, ToolName } from './tools.ts';
import { changeFiles, extentOf, plainFiles, settle, type Workspace } from './workspace.ts';

export interface Row {
  readonly name: string;
  readonly title: string;
  run(bench: Bench): Promise<Omit<RowResult, 'row' | 'title'>>;
}

export type Samples<T> = Partial<Record<ToolName, T[]>>;

export interface BenchParts {
  readonly scale: Scale;
  readonly workspace: Workspace;
  /** The tools that take part; Everfull is always among them. */
  readonly tools: readonly Tool[];
  readonly everfull: EverfullTool;
  /** The tree to back up: ours, free to change. */
  readonly tree: string;
  /** Starts the installed package; undefined: build the package and install it. */
  readonly installed: readonly string[] | undefined;
  readonly log: (text: string) => void;
}

export class Bench {
  readonly scale: Scale;
  readonly workspace: Workspace;
  readonly tools: readonly Tool[];
  readonly everfull: EverfullTool;
  readonly tree: string;
  readonly installed: readonly string[] | undefined;
  readonly log: (text: string) => void;
  /** Of each tool, the highest memory in any measured run on the tree. */
  readonly treePeaks: Partial<Record<ToolName, number>> = {};
  readonly #dice = new Dice('the changes of the tree');
  readonly #repositories = new Map<ToolName, { at: Repository; images: number }>();
  #files: string[] | undefined;
  #startMs: number | undefined;

  constructor(parts: BenchParts) {
    this.scale = parts.scale;
    this.workspace = parts.workspace;
    this.tools = parts.tools;
    this.everfull = parts.everfull;
    this.tree = parts.tree;
    this.installed = parts.installed;
    this.log = parts.log;
  }

  /** Runs `step` for every tool in every round, in turned order every other round. */
  async rounds<T>(
    step: (tool: Tool, round: number) => Promise<T>,
    prepare?: (round: number) => Promise<void>,
  ): Promise<Samples<T>> {
    const samples: Samples<T> = {};
    for (let round = 0; round < this.scale.rounds; round++) {
      await prepare?.(round);
      for (const tool of round % 2 === 0 ? this.tools : this.tools.toReversed()) {
        const sample = await step(tool, round);
        samples[tool.name] = [...(samples[tool.name] ?? []), sample];
      }
    }
    return samples;
  }

  async run(command: Command): Promise<Run> {
    const run = await measure(command);
    this.log(`  ${(run.ms / 1000).toFixed(2).padStart(7)} s  ${command.argv.join(' ').slice(0, 140)}`);
    return run;
  }

  /** Median time of the bare start of the command line. */
  async startMs(): Promise<number> {
    if (this.#startMs === undefined) {
      this.#startMs = (await this.runOften(this.everfull.version(), this.scale.starts)).ms;
    }
    return this.#startMs;
  }

  /** Median time of a start that opens a repository with its password and reads nothing. */
  async openMs(at: Repository): Promise<number> {
    return (await this.runOften(this.everfull.open(at), this.scale.starts)).ms;
  }

  /** Runs a short command `times` times, once more before to warm up. */
  async runOften(command: Command, times: number): Promise<{ ms: number; peakBytes: number }> {
    const runs: Run[] = [];
    await measure(command);
    for (let turn = 0; turn < times; turn++) runs.push(await this.run(command));
    return {
      ms: median(runs.map((run) => run.ms)),
      peakBytes: Math.max(...runs.map((run) => run.peakBytes)),
    };
  }

  /** A new repository of `tool` under `name`. */
  async newRepository(tool: Tool, name: string): Promise<Repository> {
    const at = this.workspace.freshRepository(`${name}-${tool.name}`);
    await measure(tool.init(at));
    return at;
  }

  /** A new, empty repository for the tree, in place of the tool's former one. */
  async newTreeRepository(tool: Tool): Promise<Repository> {
    const at = await this.newRepository(tool, 'tree');
    this.#repositories.set(tool.name, { at, images: 0 });
    return at;
  }

  /** The tool's repository of the tree, with at least one image in it. */
  async treeRepository(tool: Tool): Promise<Repository> {
    if (this.treeImages(tool) === 0) {
      await this.newTreeRepository(tool);
      await this.backupTree(tool);
    }
    return this.#repositories.get(tool.name)!.at;
  }

  treeImages(tool: Tool): number {
    return this.#repositories.get(tool.name)?.images ?? 0;
  }

  /** Backs the tree up into the tool's repository of it. */
  async backupTree(tool: Tool): Promise<Run> {
    const repository = this.#repositories.get(tool.name)!;
    const run = await this.runOnTree(tool, tool.backup(repository.at, this.tree));
    repository.images++;
    return run;
  }

  /** As {@link backupTree}, with the tree in the page cache and nothing left to write back. */
  async settledBackup(tool: Tool): Promise<Run> {
    await settle(this.tree);
    return this.backupTree(tool);
  }

  /** Runs a command whose memory counts as the tool's memory for the tree. */
  async runOnTree(tool: Tool, command: Command): Promise<Run> {
    const run = await this.run(command);
    this.treePeaks[tool.name] = Math.max(this.treePeaks[tool.name] ?? 0, run.peakBytes);
    return run;
  }

  /** The files of the tree that may be changed. */
  treeFiles(): readonly string[] {
    this.#files ??= plainFiles(this.tree);
    return this.#files;
  }

  /** Changes `count` files of the tree, chosen at random. Returns their paths. */
  changeTree(count: number): string[] {
    return changeFiles(this.treeFiles(), count, this.#dice);
  }

  /** The name by which `tool` knows the image that is `ago` before the newest of the repository. */
  async imageName(tool: Tool, at: Repository, ago: number): Promise<string> {
    const listing = tool.images === undefined ? '' : (await measure(tool.images(at))).stdout.toString('utf8');
    return tool.imageName(listing, ago);
  }
}

/** Lengths of all files of the repository. */
export function storedBytes(at: Repository): number {
  return extentOf(at.store).bytes;
}

/** What `work` adds to the repository. */
export async function addedBytes<T>(at: Repository, work: () => Promise<T>): Promise<T & { added: number }> {
  const before = storedBytes(at);
  const result = await work();
  return { ...result, added: storedBytes(at) - before };
}

/** The medians of the stage times that the product printed (see {@link profileOf}) in several runs. */
export function stagesOf(runs: readonly Run[] | undefined): { stages: Record<string, number> } | undefined {
  const profiles = (runs ?? [])
    .map((run) => profileOf(run.stderr))
    .filter((profile) => profile !== undefined);
  if (profiles.length === 0) return undefined;
  const names = new Set(profiles.flatMap((profile) => Object.keys(profile)));
  const stages: Record<string, number> = {};
  for (const name of names) stages[name] = median(profiles.map((profile) => profile[name] ?? 0));
  return { stages };
}

/** The stage times in the line `{"message_type":"profile","stages":{NAME: MS}}`, asked for by EVERFULL_PROFILE=1. */
function profileOf(stderr: string): Record<string, number> | undefined {
  return messageOf<{ stages: Record<string, number> }>(stderr, 'profile')?.stages;
}

/** The last JSON line of the given type on standard error. */
export function messageOf<T>(stderr: string, type: string): T | undefined {
  const lines = stderr.split('\n').filter((line) => line.startsWith('{'));
  const messages = lines.map((line) => JSON.parse(line) as T & { message_type?: string });
  return messages.findLast((message) => message.message_type === type);
}

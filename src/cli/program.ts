import { Command, CommanderError } from 'commander';
import { isEverfullError } from '../base/mod.ts';
import { globalFlagsOf, globalOptions } from './global-options.ts';
import { Run, settingsOf } from './opening/mod.ts';
import { escapeText, type Failure, failureOf } from './terminal/mod.ts';
import { type Begin, VERBS, type Verb } from './verbs/mod.ts';

const INTERRUPTED = 130;

const HELP = `
A repository is named with -r or EVERFULL_REPOSITORY; without either it is the embedded one, which the first
backup makes. IMAGE is the beginning of an id, "latest", or "latest~N" for the N-th before it.

Examples:
  $ everfull backup ~/Documents
  $ everfull images
  $ everfull restore latest --target /tmp/restored
  $ everfull -r /srv/backup init

Exit codes: 0 done, 1 failed, 2 unexpected failure, 3 some source could not be read, 10 no repository,
11 locked, 12 wrong password, 130 interrupted.`;

/** Runs the command line and ends the process with its exit code. */
export async function main(parameters: readonly string[], version: string): Promise<never> {
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (interrupted.signal.aborted) process.exit(INTERRUPTED);
      interrupted.abort();
    });
  }
  // Who closed standard output has seen enough. A backup goes on without it.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    if (!outlivesOutput) process.exit(0);
  });
  const runs: Run[] = [];
  const begin: Begin = (command) => {
    const run = new Run(settingsOf(globalFlagsOf(command), process.env), version, interrupted.signal);
    runs.push(run);
    outlivesOutput = WORKERS.has(command.name()) || WORKERS.has(command.parent!.name());
    return run;
  };
  try {
    const asksForHelp = parameters[0] === 'help';
    const words = asksForHelp ? [...parameters.slice(1), '--help'] : [...parameters];
    await programOf(version, begin).parseAsync(words, { from: 'user' });
    for (const run of runs) await run.close();
    process.exit(runs[0]?.exitCode ?? 0);
  } catch (error) {
    for (const run of runs) await run.output.flush();
    if (error instanceof CommanderError && (error.exitCode === 0 || error.code === 'commander.help')) {
      process.exit(error.exitCode);
    }
    const failure = failureIn(error, interrupted.signal, parameters);
    report(failure, parameters.includes('--json'));
    process.exit(failure.exitCode);
  }
}

/** Verbs whose work is worth doing when nobody reads what they print. */
const WORKERS: ReadonlySet<string> = new Set([
  'backup',
  'restore',
  'init',
  'check',
  'forget',
  'hold',
  'lock',
  'verify',
  'repair',
  'add',
  'remove',
  'passwd',
  'rotate',
  'copy',
  'tag',
  'rewrite',
  'export',
  'import',
]);
let outlivesOutput = false;

function failureIn(error: unknown, signal: AbortSignal, parameters: readonly string[]): Failure {
  if (error instanceof CommanderError) return usageFailure(error, parameters);
  if (signal.aborted && !isEverfullError(error, 'interrupted')) {
    // Whatever broke off first, this is why.
    return { exitCode: INTERRUPTED, lines: ['everfull: interrupted'], message: 'interrupted' };
  }
  return failureOf(error, process.env.EVERFULL_DEBUG === '1');
}

function report(failure: Failure, json: boolean): void {
  const line = { message_type: 'exit_error', code: failure.exitCode, message: failure.message };
  process.stderr.write(json ? `${JSON.stringify(line)}\n` : `${failure.lines.join('\n')}\n`);
}

/** The parser's own words: what is wrong, what may have been meant, where help is. */
function usageFailure({ message }: CommanderError, parameters: readonly string[]): Failure {
  const lines = message
    .replace(/^error: /, '')
    .split('\n')
    .map(escapeText);
  const verb = VERBS.find(({ name, aliases }) =>
    parameters.some((word) => word === name || aliases.includes(word)),
  );
  return {
    exitCode: 1,
    lines: [
      `everfull: ${lines[0]}`,
      ...lines.slice(1).map((line) => `  ${line}`),
      `  See: everfull ${verb === undefined ? '' : `${verb.name} `}--help`,
    ],
    message: lines.join(' '),
  };
}

/** The whole command tree. Verbs are empty until they are called, or {@link wholeProgram} fills them. */
export function programOf(version: string, begin: Begin): Command {
  const program = new Command('everfull')
    .description('Backups of files: every backup a full, at the price of an increment.')
    .usage('[options] VERB …')
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand(false)
    .addHelpText('after', HELP)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: () => {} })
    .exitOverride();
  for (const option of globalOptions()) program.addOption(option.helpGroup('Global Options:'));
  for (const verb of VERBS) {
    program
      .command(verb.name)
      .aliases([...verb.aliases])
      .summary(verb.summary)
      .description(descriptionOf(verb))
      .helpGroup(verb.group);
  }
  program.hook('preSubcommand', (_, command) => fill(command, begin));
  return program;
}

function descriptionOf({ summary, aliases }: Verb): string {
  const also = aliases.length === 0 ? '' : ` Also called ${aliases.join(', ')}.`;
  return `${summary[0]!.toUpperCase()}${summary.slice(1)}.${also}`;
}

/** Loads what a verb consists of. */
async function fill(command: Command, begin: Begin): Promise<void> {
  const verb = VERBS.find(({ name }) => name === command.name())!;
  (await verb.load())(command, begin, () => wholeProgram(command.parent!.version()!));
  addGlobalOptions(command);
}

/** They are listed once, as those of the program. Here they serve where they follow others in one word: `-nv`. */
function addGlobalOptions(command: Command): void {
  for (const option of globalOptions()) command.addOption(option.hideHelp());
  for (const below of command.commands) addGlobalOptions(below);
}

/** The tree with all its verbs, to look at. */
export async function wholeProgram(version: string): Promise<Command> {
  const begin: Begin = () => {
    throw new Error('this tree is not for running');
  };
  const program = programOf(version, begin);
  for (const command of program.commands) await fill(command, begin);
  return program;
}

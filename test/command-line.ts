import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { root } from '../tools/project.ts';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Given the process once it runs. */
  readonly meanwhile?: (child: ReturnType<typeof spawn>) => void;
}

const PROGRAM = join(root, 'src/cli/main.ts');

/** The real command line, with a home of its own and nothing of the user's environment. */
export class CommandLine {
  readonly folder: string;
  readonly home: string;
  /** The words that start the program, for shells. */
  static readonly words = [process.execPath, '--disable-warning=ExperimentalWarning', PROGRAM];

  constructor(context: TestContext) {
    this.folder = mkdtempSync(join(tmpdir(), 'everfull-cli-'));
    context.after(() => rmSync(this.folder, { recursive: true }));
    this.home = join(this.folder, 'home');
    mkdirSync(this.home);
  }

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  get environment(): Record<string, string> {
    return {
      PATH: process.env.PATH ?? '',
      HOME: this.home,
      NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/compile'),
    };
  }

  run(words: readonly string[], options: RunOptions = {}): Promise<Ended> {
    return this.spawn([...CommandLine.words, ...words], options);
  }

  /** Any command, in the same folder and environment. */
  spawn(
    [program, ...words]: readonly string[],
    { env = {}, input = '', meanwhile }: RunOptions = {},
  ): Promise<Ended> {
    const child = spawn(program!, words, { cwd: this.folder, env: { ...this.environment, ...env } });
    const output = { stdout: '', stderr: '' };
    child.stdout.setEncoding('latin1').on('data', (text) => (output.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (output.stderr += text));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    meanwhile?.(child);
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve({ code, ...output }));
    });
  }

  /** A run that must end with 0; what it printed. */
  async ok(words: readonly string[], options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(words, options);
    if (code !== 0) throw new Error(`everfull ${words.join(' ')} ended with ${code}: ${stderr}`);
    return stdout;
  }

  /** A run that must end with `code`; what it said. */
  async fails(code: number, words: readonly string[], options: RunOptions = {}): Promise<string> {
    const ended = await this.run(words, options);
    if (ended.code !== code) {
      throw new Error(
        `everfull ${words.join(' ')} ended with ${ended.code}, not ${code}: ${ended.stdout}${ended.stderr}`,
      );
    }
    if (/^ {4}at /m.test(ended.stderr)) throw new Error(`a stack was shown: ${ended.stderr}`);
    return ended.stderr;
  }
}

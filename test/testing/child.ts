import { type ChildProcess, spawn } from 'node:child_process';

/** How a process ended, and what it printed. */
export interface Ended {
  readonly signal: NodeJS.Signals | null;
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Given the process once it runs. */
  readonly meanwhile?: (child: ChildProcess) => void;
}

export function run(
  [program, ...words]: readonly string[],
  { env = process.env, meanwhile }: RunOptions = {},
): Promise<Ended> {
  const child = spawn(program!, words, { stdio: ['ignore', 'pipe', 'pipe'], env });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('latin1').on('data', (text) => (output.stdout += text));
  child.stderr.setEncoding('latin1').on('data', (text) => (output.stderr += text));
  meanwhile?.(child);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, ...output }));
  });
}

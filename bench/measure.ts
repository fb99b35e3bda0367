/** Runs one command and measures it together with every process that it starts. Linux only: reads /proc. */
import { type SpawnOptions, spawn } from 'node:child_process';
import {
  closeSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Command {
  readonly argv: readonly string[];
  /** The whole environment of the command. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export interface Run {
  /** From before the start of the process to its end. */
  readonly ms: number;
  /** User and system time of the command and of all descendants that were waited for. */
  readonly cpuMs: number;
  /** Highest resident memory, summed over the process tree. */
  readonly peakBytes: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** A command of a tool did not start, or did not end with 0. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
}

const SAMPLE_MS = 50;
/** USER_HZ, the unit of times in /proc/PID/stat: 100 on every Linux that Node runs on. */
const TICK_MS = 10;

/**
 * Runs `command` to its end. Memory is the sum of VmRSS over the process tree, sampled every 50 ms (pages
 * shared by two processes count twice), and never less than the kernel's own high-water mark of any one of
 * them. Only one command may run at a time: CPU is what the kernel adds to this process's waited-for children.
 * @throws {CommandFailed} with the end of what it printed, when it does not end with 0.
 */
export async function measure(command: Command): Promise<Run> {
  const [out, err] = [openNameless(), openNameless()];
  try {
    const memory = new TreeMemory();
    const cpuBefore = childrenCpuMs();
    const start = performance.now();
    const options: SpawnOptions = { env: command.env, stdio: ['ignore', out, err] };
    if (command.cwd !== undefined) options.cwd = command.cwd;
    const end = await new Promise<string>((resolve) => {
      const child = spawn(command.argv[0]!, command.argv.slice(1), options);
      child.on('error', (error) => resolve(error.message));
      child.on('exit', (code, signal) => resolve(code === null ? `signal ${signal}` : `exit code ${code}`));
      if (child.pid !== undefined) memory.watch(child.pid);
    }).finally(() => memory.stop());
    const ms = performance.now() - start;
    const stdout = contentOf(out);
    const stderr = contentOf(err).toString('utf8');
    if (end !== 'exit code 0') {
      const said = (stderr.trim() || stdout.toString('utf8').trim()).slice(-2000);
      throw new CommandFailed(`Could not run "${command.argv.join(' ')}": ${end}${said && `: ${said}`}`);
    }
    return { ms, cpuMs: childrenCpuMs() - cpuBefore, peakBytes: memory.peakBytes, stdout, stderr };
  } finally {
    closeSync(out);
    closeSync(err);
  }
}

/** A file without a name, so that nothing stays behind however this process ends. */
function openNameless(): number {
  const folder = mkdtempSync(join(tmpdir(), 'bench-output-'));
  try {
    return openSync(join(folder, 'output'), 'wx+');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function contentOf(file: number): Buffer {
  const content = Buffer.alloc(fstatSync(file).size);
  readSync(file, content, 0, content.length, 0);
  return content;
}

class TreeMemory {
  peakBytes = 0;
  #timer: NodeJS.Timeout | undefined;

  watch(root: number): void {
    this.#sample(root);
    this.#timer = setInterval(() => this.#sample(root), SAMPLE_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sample(root: number): void {
    let sum = 0;
    for (const pid of processTree(root)) {
      const status = readProc(`/proc/${pid}/status`);
      sum += kibField(status, 'VmRSS');
      this.peakBytes = Math.max(this.peakBytes, kibField(status, 'VmHWM') * 1024);
    }
    this.peakBytes = Math.max(this.peakBytes, sum * 1024);
  }
}

/** `root` and all its descendants that are alive. */
function processTree(root: number): number[] {
  const tree = [root];
  for (const pid of tree) {
    for (const thread of listProc(`/proc/${pid}/task`)) {
      const children = readProc(`/proc/${pid}/task/${thread}/children`);
      tree.push(...children.split(' ').filter(Boolean).map(Number));
    }
  }
  return tree;
}

function kibField(status: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0);
}

function childrenCpuMs(): number {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // proc_pid_stat(5): cutime and cstime are fields 16 and 17; the first one after the name is field 3.
  return (Number(fields[13]) + Number(fields[14])) * TICK_MS;
}

/** The text of a file under /proc; empty when the process has ended meanwhile. */
function readProc(path: string): string {
  return unlessEnded(() => readFileSync(path, 'latin1'), '');
}

function listProc(path: string): string[] {
  return unlessEnded(() => readdirSync(path), []);
}

function unlessEnded<T>(read: () => T, gone: T): T {
  try {
    return read();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH') return gone;
    throw error;
  }
}

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Ended, run } from './child.ts';

/** A call of the kernel that changes a repository. */
export interface KernelCall {
  /** What the folder store calls it. */
  readonly kind: string;
  readonly syscall: string;
  /** The how-manieth call of this name it was in its thread: as strace counts. */
  readonly number: number;
}

const KINDS: readonly (readonly [RegExp, string])[] = [
  [/^openat .*\/tmp\/everfull-[0-9a-f]{8}-.*O_CREAT/, 'create'],
  [/^writev? \d+<[^>]*\/tmp\/everfull-[0-9a-f]{8}-/, 'write'],
  [/^fsync \d+<[^>]*\/tmp\/everfull-[0-9a-f]{8}-/, 'sync'],
  [/^fsync /, 'syncFolder'],
  [/^link(at)? /, 'link'],
  [/^rename(at2?)? /, 'rename'],
  [/^unlink(at)? /, 'unlink'],
  [/^mkdir(at)? /, 'makeFolder'],
];
// Both spellings, since not every machine has the older ones.
const SYSCALLS =
  'openat,write,writev,fsync,?link,linkat,?rename,?renameat,?renameat2,?unlink,unlinkat,?mkdir,mkdirat';

/** One thread for all calls of the store, since strace counts by thread; nothing else writes meanwhile. */
const ENVIRONMENT = { ...process.env, UV_THREADPOOL_SIZE: '1', NODE_DISABLE_COMPILE_CACHE: '1' };

/**
 * Runs a command under strace: how it ended, and the calls that changed what is below `repository`, in
 * their order. With `killAt` it is killed at that call, as counted in an earlier run.
 */
export async function traced(
  command: readonly string[],
  repository: string,
  killAt?: KernelCall,
): Promise<{ ended: Ended; calls: KernelCall[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'everfull-trace-'));
  try {
    const log = join(folder, 'log');
    const inject =
      killAt === undefined ? [] : ['-e', `inject=${killAt.syscall}:signal=SIGKILL:when=${killAt.number}`];
    const words = ['strace', '-f', '-y', '-o', log, '-e', `trace=${SYSCALLS}`, ...inject, ...command];
    const ended = await run(words, { env: ENVIRONMENT });
    return { ended, calls: callsIn(readFileSync(log, 'latin1'), repository) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function callsIn(log: string, repository: string): KernelCall[] {
  const counts = new Map<string, number>();
  const calls: KernelCall[] = [];
  for (const line of log.split('\n')) {
    const [, thread, syscall, rest] = /^(\d+) +(\w+)\((.*)$/.exec(line) ?? [];
    if (syscall === undefined) continue;
    const number = (counts.get(`${thread} ${syscall}`) ?? 0) + 1;
    counts.set(`${thread} ${syscall}`, number);
    if (!rest!.includes(repository)) continue;
    const kind = KINDS.find(([pattern]) => pattern.test(`${syscall} ${rest}`))?.[1];
    if (kind !== undefined) calls.push({ kind, syscall, number });
  }
  return calls;
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../testing/child.ts';
import { type Cut, entriesIn, WriteLog } from './write-log.ts';

const DISK_BYTES = 96 * 1024 * 1024;
/** The log is sparse; what these tests write is far less. */
const LOG_BYTES = 4 * 1024 * 1024 * 1024;
const START_MS_MAX = 30_000;

/**
 * An ext4 on a disk of which each write and flush is logged, to be replayed up to any moment: a loop device
 * over a file that qemu exports through FUSE. For this no device-mapper is needed.
 */
export class LoggedDisk implements AsyncDisposable {
  /** Where the file system is mounted. */
  readonly root: string;
  readonly #log: string;
  readonly #undo: AsyncDisposableStack;

  private constructor(root: string, log: string, undo: AsyncDisposableStack) {
    this.root = root;
    this.#log = log;
    this.#undo = undo;
  }

  static async start(): Promise<LoggedDisk> {
    assertMachineCan();
    await using undo = new AsyncDisposableStack();
    const folder = temporaryFolder(undo);
    const root = join(folder, 'mounted');
    mkdirSync(root);
    const [data, log, exported] = ['data', 'log', 'exported'].map((name) => join(folder, name));
    for (const path of [data!, log!, exported!]) writeFileSync(path, '');
    truncateSync(data!, DISK_BYTES);
    truncateSync(log!, LOG_BYTES);
    await startDaemon(data!, log!, exported!, undo);
    const device = (await must('losetup', '--find', '--show', exported!)).trim();
    undoBy(undo, 'losetup', '--detach', device);
    const nothingLater = 'lazy_itable_init=0,lazy_journal_init=0,nodiscard';
    await must('mkfs.ext4', '-q', '-b', '4096', '-N', '4096', '-J', 'size=4', '-E', nothingLater, device);
    // What is not synced is committed after a second: more states in less time.
    await must('mount', '-t', 'ext4', '-o', 'commit=1,noatime', device, root);
    undoBy(undo, 'umount', root);
    return new LoggedDisk(root, log!, undo.move());
  }

  /** How many writes and flushes were handed to the disk; what has been acknowledged is among them. */
  get position(): number {
    return entriesIn(this.#log);
  }

  /** What was written up to now. */
  readLog(): WriteLog {
    return new WriteLog(this.#log, DISK_BYTES);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#undo.disposeAsync();
  }
}

/** Does `work` with the folder that is found, mounted again, after the power failed. */
export async function afterCut<T>(log: WriteLog, cut: Cut, work: (root: string) => Promise<T>): Promise<T> {
  await using undo = new AsyncDisposableStack();
  const folder = temporaryFolder(undo);
  const root = join(folder, 'mounted');
  mkdirSync(root);
  const image = join(folder, 'disk');
  log.writeStateAfter(cut, image);
  // The power stays on from here: nobody has to wait for a flush.
  await must('mount', '-t', 'ext4', '-o', 'loop,barrier=0,noatime', image, root);
  undoBy(undo, 'umount', root);
  return await work(root);
}

function assertMachineCan(): void {
  const missing = ['/dev/fuse', '/dev/loop-control'].filter((path) => !existsSync(path));
  if (process.getuid!() === 0 && missing.length === 0) return;
  const state =
    missing.length > 0 ? `there is no ${missing.join(' and no ')}` : `this is user ${process.getuid!()}`;
  throw new Error(`a power cut needs root, loop devices and FUSE: ${state}`);
}

function temporaryFolder(undo: AsyncDisposableStack): string {
  const folder = mkdtempSync(join(tmpdir(), 'everfull-power-cut-'));
  undo.defer(() => rmSync(folder, { recursive: true }));
  return folder;
}

async function startDaemon(
  data: string,
  log: string,
  exported: string,
  undo: AsyncDisposableStack,
): Promise<void> {
  // Flushes are logged, and not passed on: only this machine's own crash would need them.
  const file = 'driver=file,discard=unmap,cache.no-flush=on';
  const daemon = spawn(
    'setpriv',
    [
      ...['--pdeathsig', 'KILL', 'qemu-storage-daemon'],
      ...['--blockdev', `${file},node-name=data,filename=${data}`],
      ...['--blockdev', `${file},node-name=log,filename=${log}`],
      '--blockdev',
      'driver=blklogwrites,node-name=logged,file=data,log=log,log-sector-size=512,log-super-update-interval=1',
      ...['--export', `type=fuse,id=export,node-name=logged,mountpoint=${exported},writable=on`],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  undo.defer(() => end(daemon));
  let said = '';
  daemon.stderr!.setEncoding('utf8').on('data', (text) => (said += text));
  const failed = once(daemon, 'exit').then(([code, signal]) => {
    throw new Error(`qemu-storage-daemon ended with ${code ?? signal}: ${said}`);
  });
  await Promise.race([failed, isExported(exported)]);
}

async function isExported(path: string): Promise<void> {
  for (let waited = 0; statSync(path).size !== DISK_BYTES; waited += 10) {
    if (waited > START_MS_MAX) throw new Error(`qemu-storage-daemon has exported nothing at ${path}`);
    await sleep(10);
  }
}

async function end(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  const ended = once(daemon, 'exit');
  daemon.kill();
  await ended;
}

function undoBy(undo: AsyncDisposableStack, ...words: readonly string[]): void {
  undo.defer(async () => void (await must(...words)));
}

/** A command that must succeed; what it printed. */
async function must(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(words);
  if (code !== 0) throw new Error(`${words.join(' ')} ended with ${code}: ${stderr}`);
  return stdout;
}

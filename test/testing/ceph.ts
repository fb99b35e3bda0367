import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { root } from '../../tools/project.ts';

const SCRIPT = join(root, 'test/servers/start-ceph-rgw.sh');

/** A second way into the same cluster. */
export interface Gateway {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
  /** As a crash would. */
  kill(): void;
}

/** A real Ceph cluster with an S3 gateway, in memory, for one test file; it ends with the process at the latest. */
export class Ceph {
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly #folder: string;
  readonly #script: ChildProcess;
  #buckets = 0;

  private constructor(folder: string, script: ChildProcess, words: Readonly<Record<string, string>>) {
    this.#folder = folder;
    this.#script = script;
    this.endpoint = words.endpoint!;
    this.accessKey = words.access!;
    this.secretKey = words.secret!;
  }

  /** Takes about 13 seconds. The caller stops it: `after(() => ceph.stop())`. */
  static async start(): Promise<Ceph> {
    const folder = mkdtempSync(join(tmpdir(), 'ceph-'));
    const script = spawn('bash', [SCRIPT, 'serve', folder], { stdio: ['pipe', 'pipe', 'inherit'] });
    const line = await Promise.race([
      once(createInterface({ input: script.stdout }), 'line').then(([text]) => String(text)),
      once(script, 'exit').then(([code]) => Promise.reject(new Error(`Ceph did not start: ${code}`))),
    ]);
    return new Ceph(folder, script, wordsIn(line));
  }

  /** What a command line needs to use the cluster. */
  get environment(): Record<string, string> {
    return { AWS_ACCESS_KEY_ID: this.accessKey, AWS_SECRET_ACCESS_KEY: this.secretKey };
  }

  /** The address of a bucket that nothing else uses, and that is still to be made. */
  newLocation(): string {
    return `s3:${this.endpoint}/${this.newBucket()}/some/prefix`;
  }

  newBucket(): string {
    this.#buckets += 1;
    return `bucket-${this.#buckets}`;
  }

  startGateway(): Gateway {
    const { endpoint, pid } = wordsIn(this.#run('gateway'));
    return { endpoint: endpoint!, kill: () => process.kill(Number(pid), 'SIGKILL') };
  }

  async stop(): Promise<void> {
    const { exitCode, stdin } = this.#script;
    if (exitCode !== null) throw new Error(`Ceph ended by itself, with ${exitCode}`);
    const ended = once(this.#script, 'exit');
    stdin!.end();
    await ended;
  }

  #run(verb: string): string {
    return execFileSync('bash', [SCRIPT, verb, this.#folder], { encoding: 'utf8' });
  }
}

/** `name=value name=value` */
function wordsIn(line: string): Record<string, string> {
  return Object.fromEntries(
    line
      .trim()
      .split(' ')
      .map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]),
  );
}

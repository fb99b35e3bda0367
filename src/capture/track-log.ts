import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { type ByteString, equalBytes, errnoOf, hexOf, isEverfullError } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import {
  type ChildRef,
  checkTrackPage,
  RECORD_BYTES_MAX,
  STAT_WORDS,
  TRACK_PAGE_BYTES,
  TRACK_PAGE_BYTES_MAX,
  TrackPage,
  TrackPageWriter,
  TrackRecord,
  trackHeadRecord,
} from '../format/mod.ts';
import type { TreeRoot } from '../image/mod.ts';
import { BestEffort } from './best-effort.ts';

type TrackHead = ReturnType<typeof trackHeadRecord.decode>;

/** Which image a track log describes. */
export interface TrackedImage {
  readonly repositoryId: Uint8Array;
  readonly dataset: Uint8Array;
  readonly image: Uint8Array;
  readonly sequence: number;
  readonly root: TreeRoot;
  /** Entries that changed since it was last looked at which chunks are thin. */
  readonly turnover: number;
}

const HEAD = 'head';

/** The folder of a dataset's track log and segment files. */
export function datasetFolder(stateFolder: string, dataset: Uint8Array): string {
  return `${stateFolder}/track/${hexOf(dataset)}`;
}

/** Reads a track log from its first record to its last, a page at a time. */
export class TrackLog {
  readonly head: TrackHead;
  readonly #fd: number;
  #page = 0;
  #offset = 0;
  #current: TrackPage | undefined;
  #at = 0;
  #record: TrackRecord | undefined;
  /** What was found wrong; the records from there on are lost. */
  damage: Error | undefined;

  private constructor(head: TrackHead, fd: number) {
    this.head = head;
    this.#fd = fd;
  }

  /** The log in `folder`; undefined when there is none that can be read. */
  static open(folder: string): TrackLog | undefined {
    try {
      const bytes = readFileSync(`${folder}/${HEAD}`);
      const head = trackHeadRecord.decode(bytes, digest);
      const fd = openSync(`${folder}/${hexOf(head.file)}`, 'r');
      const log = new TrackLog(head, fd);
      if (fstatSync(fd).size !== head.pages.reduce((sum, page) => sum + page.bytes, 0)) {
        log.close();
        return undefined;
      }
      return log;
    } catch (error) {
      if (errnoOf(error) === undefined && !isEverfullError(error, 'damaged', 'repository-newer')) throw error;
      return undefined;
    }
  }

  /** Whether it is of an image with this index: the one that it was written for may bear another id and other tags by now. */
  describes(tracked: Pick<TrackedImage, 'repositoryId' | 'dataset' | 'root'>): boolean {
    return (
      equalBytes(this.head.repositoryId, tracked.repositoryId) &&
      equalBytes(this.head.dataset, tracked.dataset) &&
      equalBytes(this.head.root, tracked.root.root)
    );
  }

  /** The next record, or undefined at the end. A damaged page ends the log: what follows is read anew. */
  next(): TrackRecord | undefined {
    if (this.#record !== undefined) this.#at = this.#record.end;
    if (this.#current === undefined || this.#at >= this.#current.bytes.length) {
      this.#current = this.#readPage();
      this.#at = 0;
    }
    this.#record = this.#current === undefined ? undefined : new TrackRecord(this.#current, this.#at);
    return this.#record;
  }

  #readPage(): TrackPage | undefined {
    const page = this.head.pages[this.#page++];
    if (page === undefined || page.bytes === 0 || this.damage !== undefined) return undefined;
    try {
      if (page.bytes > TRACK_PAGE_BYTES_MAX) throw new Error('a page is too long');
      const bytes = Buffer.allocUnsafeSlow(page.bytes);
      const got = readSync(this.#fd, bytes, 0, page.bytes, this.#offset);
      if (got < page.bytes) throw new Error('the log ends too early');
      this.#offset += page.bytes;
      checkTrackPage(bytes, page.digest, digest);
      return new TrackPage(bytes);
    } catch (error) {
      this.damage = error as Error;
      return undefined;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/**
 * Writes a track log aside; {@link publish} puts it in place of the last one. A folder that cannot be
 * written costs the next backup time, so it is no failure of this one: see {@link failure}.
 */
export class TrackLogWriter {
  readonly #folder: string;
  readonly #file = randomBytes(16);
  #fd: number | undefined;
  readonly #effort = new BestEffort();
  readonly #writer = new TrackPageWriter();
  readonly #pages: { bytes: number; records: number; digest: Uint8Array }[] = [];

  constructor(folder: string) {
    this.#folder = folder;
    this.#effort.attempt(() => {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      this.#fd = openSync(this.#path, 'wx', 0o600);
    });
  }

  /** Why the log is not kept. */
  get failure(): Error | undefined {
    return this.#effort.failure;
  }

  get #path(): string {
    return `${this.#folder}/${hexOf(this.#file)}`;
  }

  add(key: ByteString, value: Uint8Array, statWords: Uint32Array, flags: number): void {
    this.#writer.add(key, value, statWords, flags);
  }

  endLeaf(leaf: ChildRef): void {
    this.#writer.endLeaf(leaf);
    this.#endPage(TRACK_PAGE_BYTES);
  }

  /** Takes over the records of a whole leaf as they were. */
  addRaw(records: Uint8Array, count: number): void {
    this.#writer.addRaw(records, count);
    this.#endPage(TRACK_PAGE_BYTES);
  }

  #endPage(least: number): void {
    if (this.#writer.length < least) return;
    const { records } = this.#writer;
    const bytes = this.#writer.take();
    if (this.failure !== undefined) return;
    this.#effort.attempt(() => {
      for (let written = 0; written < bytes.length; ) written += writeSync(this.#fd!, bytes, written);
      this.#pages.push({ bytes: bytes.length, records, digest: digest(bytes) });
    });
  }

  /** Makes the log durable, and the one that the next backup compares with. Call it once the image is committed. */
  publish(tracked: TrackedImage): void {
    this.#endPage(1);
    if (this.failure === undefined)
      this.#effort.attempt(() => {
        fsyncSync(this.#fd!);
        writeHead(this.#folder, { ...headOf(tracked), file: this.#file, pages: this.#pages });
      });
    if (this.failure !== undefined) {
      this.discard();
      return;
    }
    this.#close();
    this.#effort.attempt(() => removeOthers(this.#folder, hexOf(this.#file)));
  }

  #close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  discard(): void {
    this.#close();
    this.#effort.attempt(() => rmSync(this.#path, { force: true }));
  }

  /** Says that the unchanged `log` describes a newer image. */
  republish(log: TrackLog, tracked: TrackedImage): void {
    this.discard();
    this.#effort.attempt(() =>
      writeHead(this.#folder, { ...headOf(tracked), file: log.head.file, pages: log.head.pages }),
    );
  }
}

function headOf({ repositoryId, dataset, image, sequence, root, turnover }: TrackedImage) {
  return {
    repositoryId,
    dataset,
    image,
    sequence,
    root: root.root,
    level: root.level,
    items: root.items,
    length: root.length,
    turnover,
  };
}

function writeHead(folder: string, head: TrackHead): void {
  const bytes = trackHeadRecord.encode(head, digest);
  if (bytes.length > RECORD_BYTES_MAX) throw new Error('the head of a track log is too long');
  const aside = `${folder}/${HEAD}.${randomBytes(8).toString('hex')}`;
  writeFileSync(aside, bytes, { mode: 0o600, flush: true });
  renameSync(aside, `${folder}/${HEAD}`);
}

/** Older logs, and those of backups that died. */
function removeOthers(folder: string, file: string): void {
  for (const name of readdirSync(folder))
    if (/^([0-9a-f]{32}|head\.[0-9a-f]{16})$/.test(name) && name !== file)
      rmSync(`${folder}/${name}`, { force: true });
}

export { STAT_WORDS };

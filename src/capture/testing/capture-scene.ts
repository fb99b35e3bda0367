import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type ByteString, bytesOf, type Clock, hexOf, systemClock } from '../../base/mod.ts';
import { type Credential, SlotKind } from '../../crypto/mod.ts';
import {
  ENTRY_ANCESTOR,
  type Entry,
  EntryType,
  FrameKind,
  IMAGE_KIND_FILES,
  type ManifestBody,
} from '../../format/mod.ts';
import { ImageReader } from '../../image/mod.ts';
import { type Image, Repository } from '../../repository/mod.ts';
import { MemoryStore, type ObjectStore } from '../../store/mod.ts';
import { type CapturedTree, type CaptureOptions, captureFiles } from '../capture-files.ts';
import { Selection } from '../select/mod.ts';

/** What a tree looks like: a line for each path, with everything that a backup must bring back. */
export type Snapshot = ReadonlyMap<ByteString, string>;

export interface BackUpOptions extends Partial<CaptureOptions> {
  /** The image to compare with; by default the last of the scene. */
  readonly base?: Image | undefined;
}

export interface BackUpResult {
  readonly image: Image;
  readonly tree: CapturedTree;
  readonly failed: readonly string[];
  readonly notices: readonly string[];
  /** Of each entry that was looked at closely: `new /a/b`. */
  readonly entries: readonly string[];
  /** Entries that were taken over as they were. */
  readonly unmodified: number;
}

/** A clock so far ahead that nothing just written counts as uncertain. */
export const LATER: Clock = { ...systemClock, now: () => Date.now() + 60_000 };

const CREDENTIAL: Credential = { kind: SlotKind.keyFile, secret: Buffer.alloc(32, 7) };

/** A tree to back up, a repository in memory, and a state folder. */
export class CaptureScene {
  readonly folder: string;
  readonly source: ByteString;
  readonly state: string;
  readonly store: MemoryStore;
  readonly dataset: Uint8Array;
  repository: Repository;
  last: Image | undefined;

  private constructor(folder: string, store: MemoryStore, repository: Repository) {
    this.folder = folder;
    this.source = join(folder, 'source');
    this.state = join(folder, 'state');
    this.store = store;
    this.repository = repository;
    this.dataset = repository.secrets.datasetId(['host', 'paths', this.source]);
  }

  static async create(context: TestContext): Promise<CaptureScene> {
    const folder = mkdtempSync(join(tmpdir(), 'everfull-capture-'));
    context.after(() => rmSync(folder, { recursive: true, force: true }));
    mkdirSync(join(folder, 'source'));
    const store = new MemoryStore();
    const slots = [{ credential: CREDENTIAL, label: 'test' }];
    return new CaptureScene(folder, store, await Repository.create(store, slots, { clock: systemClock }));
  }

  /** As another process would see it, through `store` if given. */
  async reopen(store: ObjectStore = this.store): Promise<void> {
    this.repository = await Repository.open(store, [CREDENTIAL]);
  }

  path(name: ByteString): Buffer {
    return bytesOf(`${this.source}/${name}`);
  }

  /** Captures and commits, as the operation does. */
  async backUp(options: BackUpOptions = {}): Promise<BackUpResult> {
    const { repository, dataset } = this;
    const failed: string[] = [];
    const notices: string[] = [];
    const entries: string[] = [];
    let unmodified = 0;
    const base = 'base' in options ? options.base : this.last;
    const session = await repository.openSession(dataset, { compression: 'fastest', clock: systemClock });
    const tree = await captureFiles({
      repository,
      session,
      dataset,
      related: [],
      paths: [this.source],
      selection: new Selection(),
      leaveOut: [],
      force: false,
      dryRun: false,
      compression: 'fastest',
      threads: 2,
      stateFolder: this.state,
      clock: LATER,
      signal: new AbortController().signal,
      events: {
        failed: (path, { code }) => failed.push(`${code} ${path}`),
        leftOut: () => {},
        entry: (path, change) => entries.push(`${change} ${path}`),
        leaf: (files, folders) => {
          unmodified += files + folders;
        },
        walked: () => {},
        read: () => {},
        notice: (message) => notices.push(message),
      },
      ...options,
      base,
    }).catch(async (error: unknown) => {
      await session.abort({ keep: true }).catch(() => {});
      throw error;
    });
    const committed = await session.commit({
      endpoint: await repository.endpoint('host'),
      kind: IMAGE_KIND_FILES,
      root: tree.root,
      body: { ...EMPTY_BODY, paths: [this.source] },
    });
    tree.publish(committed);
    const manifest = await repository.readManifest(dataset, committed.sequence);
    const image = { ...manifest, committed: 0 };
    this.last = image;
    return { image, tree, failed, notices, entries, unmodified };
  }

  reader({ header }: Image): ImageReader {
    const { repository } = this;
    return new ImageReader(
      {
        node: async (kind, id) => (await repository.frame(kind, id)).plain,
        chunk: async (id) => (await repository.frame(FrameKind.chunk, id)).plain,
      },
      {
        root: header.indexRoot,
        level: header.indexLevel,
        items: header.indexItems,
        length: header.indexLength,
      },
    );
  }

  /** Everything in an image, read back byte by byte; the folders on the way are left out. */
  async snapshotOf(image: Image): Promise<Snapshot> {
    const reader = this.reader(image);
    const lines = new Map<ByteString, string>();
    let lastKey: ByteString | undefined;
    for await (const { path, key, entry } of reader.walk('/')) {
      assert.ok(lastKey === undefined || lastKey < key, 'keys are in order');
      lastKey = key;
      if (entry.flags & ENTRY_ANCESTOR) continue;
      const hash = createHash('sha256');
      let length = 0;
      if (entry.content !== undefined) {
        for await (const block of reader.readRange(entry.content)) {
          hash.update(block);
          length += block.length;
        }
      }
      lines.set(path, lineOf(entry, length, hash.digest('hex')));
    }
    return lines;
  }

  async assertHolds(image: Image, expected: Snapshot): Promise<void> {
    assert.deepEqual(Object.fromEntries(await this.snapshotOf(image)), Object.fromEntries(expected));
  }
}

function lineOf(entry: Entry, length: number, sha256: string): string {
  const { type, mode, uid, gid, mtimeSeconds, mtimeNanoseconds, target, linkGroup } = entry;
  const mtime = BigInt(mtimeSeconds) * 1_000_000_000n + BigInt(mtimeNanoseconds);
  const content = type === EntryType.file ? `${length} ${sha256}` : (target ?? '');
  return [type, mode.toString(8), uid, gid, mtime, linkGroup ?? '-', content].join(' ');
}

/** What the file system says of a tree now. */
export function snapshotOfTree(root: ByteString): Snapshot {
  const lines = new Map<ByteString, string>();
  const inodes = new Map<bigint, ByteString>();
  const add = (path: ByteString) => {
    const name = bytesOf(path);
    const stat = lstatSync(name, { bigint: true });
    const isFile = stat.isFile();
    const linkGroup = isFile && stat.nlink > 1n ? (inodes.get(stat.ino) ?? path) : undefined;
    if (linkGroup === path) inodes.set(stat.ino, path);
    const bytes = isFile ? readFileSync(name) : Buffer.alloc(0);
    const seconds = stat.mtimeNs / 1_000_000_000n;
    const type = isFile ? EntryType.file : stat.isDirectory() ? EntryType.folder : EntryType.symlink;
    lines.set(
      path,
      lineOf(
        {
          type,
          mode: Number(stat.mode) & 0o7777,
          uid: Number(stat.uid),
          gid: Number(stat.gid),
          mtimeSeconds: Number(seconds),
          mtimeNanoseconds: Number(stat.mtimeNs - seconds * 1_000_000_000n),
          target: type === EntryType.symlink ? readlinkSync(name, 'latin1') : undefined,
          linkGroup,
        } as Entry,
        bytes.length,
        createHash('sha256').update(bytes).digest('hex'),
      ),
    );
    if (!stat.isDirectory()) return;
    const names = readdirSync(name, { encoding: 'latin1' }).sort();
    const isFolder = (child: string) => lstatSync(bytesOf(`${path}/${child}`)).isDirectory();
    // In key order, since the first path of a hard link names its group.
    for (const child of names) if (!isFolder(child)) add(`${path}/${child}`);
    for (const child of names) if (isFolder(child)) add(`${path}/${child}`);
  };
  add(root);
  return lines;
}

/** Bytes that look random and follow from `seed`; nothing shrinks them. */
export function noise(length: number, seed: number): Buffer {
  return createHash('shake256', { outputLength: length }).update(String(seed)).digest();
}

export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

export function idOf(image: Image): string {
  return hexOf(image.header.indexRoot);
}

/** A manifest body that says nothing. */
const EMPTY_BODY: ManifestBody = {
  host: 'host',
  user: '',
  name: '',
  paths: [],
  tags: [],
  excludes: [],
  time: 0,
  started: 0,
  ended: 0,
  program: '',
  base: Buffer.alloc(32),
  filesNew: 0,
  filesChanged: 0,
  filesUnmodified: 0,
  foldersNew: 0,
  foldersChanged: 0,
  foldersUnmodified: 0,
  bytesProcessed: 0,
  filesProcessed: 0,
  bytesAdded: 0,
  bytesAddedStored: 0,
  warningCount: 0,
  warnings: [],
};

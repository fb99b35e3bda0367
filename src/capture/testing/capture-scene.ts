import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type ByteString, bytesOf, type Clock, hexOf, systemClock } from '../../base/mod.ts';
import { type Credential, SlotKind } from '../../crypto/mod.ts';
import {
  type Content,
  ENTRY_ANCESTOR,
  type Entry,
  FrameKind,
  ID_BYTES,
  IMAGE_KIND_FILES,
} from '../../format/mod.ts';
import { ImageReader, type TreeRoot } from '../../image/mod.ts';
import { type Image, Repository, type WriteSession } from '../../repository/mod.ts';
import { EMPTY_BODY } from '../../repository/testing/hand-made.ts';
import { MemoryStore, type ObjectStore } from '../../store/mod.ts';
import {
  type CapturedTree,
  type CaptureEvents,
  type CaptureOptions,
  captureFiles,
} from '../capture-files.ts';
import { Selection } from '../select/mod.ts';
import { lineOf, type Snapshot } from './snapshot.ts';

export interface BackUpOptions extends Partial<Omit<CaptureOptions, 'events'>> {
  readonly events?: Partial<CaptureEvents>;
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
  /** The names, below the source, of those of them that are no folders. */
  readonly captured: readonly string[];
  /** The names of files that changed while they were read. */
  readonly marked: readonly string[];
  /** What of `leaveOut` was met. */
  readonly leftOut: readonly string[];
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

  /** @param parent where the scene lies: on a file system of a certain kind, say */
  static async create(context: TestContext, parent = tmpdir()): Promise<CaptureScene> {
    const folder = mkdtempSync(join(parent, 'everfull-capture-'));
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

  /** Captures into a session, and does not end it. */
  async capture(session: WriteSession, options: BackUpOptions = {}): Promise<Omit<BackUpResult, 'image'>> {
    const failed: string[] = [];
    const notices: string[] = [];
    const entries: string[] = [];
    const captured: string[] = [];
    const marked: string[] = [];
    const leftOut: string[] = [];
    const counts = { unmodified: 0 };
    const tree = await captureFiles({
      repository: this.repository,
      session,
      dataset: this.dataset,
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
      ...options,
      base: 'base' in options ? options.base : this.last,
      events: {
        failed: (path, { code }) => failed.push(`${code} ${path}`),
        leftOut: (path) => leftOut.push(path),
        entry: (path, change, isFolder, _, changedWhileRead) => {
          entries.push(`${change} ${path}`);
          const name = path.slice(this.source.length + 1);
          if (!isFolder) captured.push(name);
          if (changedWhileRead) marked.push(name);
        },
        leaf: (files, folders) => {
          counts.unmodified += files + folders;
        },
        walked: () => {},
        read: () => {},
        healed: () => {},
        notice: (message) => notices.push(message),
        ...options.events,
      },
    });
    return { tree, failed, notices, entries, captured, marked, leftOut, unmodified: counts.unmodified };
  }

  openSession(base?: Image): Promise<WriteSession> {
    return this.repository.openSession(this.dataset, { compression: 'fastest', clock: systemClock, base });
  }

  /** What the workers of a capture into `session` are made with. */
  pipelineSetup({ dataKey }: WriteSession) {
    const { domainSecret } = this.repository.keyring;
    return { domainSecret, dataKey: dataKey.key, dataKeyId: dataKey.id, compression: 'fastest' as const };
  }

  /** Captures and commits, as the operation does. */
  async backUp(options: BackUpOptions = {}): Promise<BackUpResult> {
    const { repository, dataset } = this;
    const endpoint = await repository.endpoint('host');
    const session = await this.openSession('base' in options ? options.base : this.last);
    const captured = await this.capture(session, options).catch(async (error: unknown) => {
      await session.abort({ keep: true }).catch(() => {});
      throw error;
    });
    const committed = await session
      .commit({
        endpoint,
        kind: IMAGE_KIND_FILES,
        root: captured.tree.root,
        body: { ...EMPTY_BODY, paths: [this.source] },
      })
      .catch((error: unknown) => {
        captured.tree.discard();
        throw error;
      });
    captured.tree.publish(committed);
    const manifest = await repository.readManifest(dataset, committed.sequence);
    this.last = { ...manifest, committed: 0 };
    return { ...captured, image: this.last };
  }

  reader({ header }: Image): ImageReader {
    const { indexRoot: root, indexLevel: level, indexItems: items, indexLength: length } = header;
    return this.#readerOf({ root, level, items, length });
  }

  #readerOf(root: TreeRoot): ImageReader {
    const { repository } = this;
    return new ImageReader(
      {
        node: async (kind, id) => (await repository.frame(kind, id)).plain,
        chunk: async (id) => (await repository.frame(FrameKind.chunk, id)).plain,
      },
      root,
    );
  }

  /** The bytes of a content, which need not be that of an image yet. */
  async bytesOf(content: Content): Promise<Buffer> {
    const reader = this.#readerOf({ root: Buffer.alloc(ID_BYTES), level: 0, items: 0, length: 0 });
    const blocks: Uint8Array[] = [];
    for await (const block of reader.readRange(content)) blocks.push(block);
    return Buffer.concat(blocks);
  }

  entry(image: Image, name: ByteString): Promise<Entry | undefined> {
    return this.reader(image).lookUp(`${this.source}/${name}`);
  }

  /** The bytes of a file in an image. */
  async content(image: Image, name: ByteString): Promise<Buffer> {
    const entry = await this.entry(image, name);
    return this.bytesOf(entry!.content!);
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

export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

export function idOf(image: Image): string {
  return hexOf(image.header.indexRoot);
}

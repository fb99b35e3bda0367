import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  type BigIntStats,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type ByteString, hexOf, systemClock } from '../../src/base/mod.ts';
import { Selection, type SelectionOptions } from '../../src/capture/select/mod.ts';
import {
  type Content,
  contentLength,
  type Entry,
  EntryType,
  FrameKind,
  pathKeyOf,
} from '../../src/format/mod.ts';
import { ImageReader, type NodeSource, piecesInRange } from '../../src/image/mod.ts';
import { type BackupOptions, type BackupSummary, loadBackup } from '../../src/operations/mod.ts';
import {
  AT_FDCWD,
  close,
  DirectoryReader,
  getInodeFlags,
  openDirectory,
  openFile,
  RESTORABLE_FLAGS,
  seekData,
  seekHole,
  xattrsOfPath,
} from '../../src/os/mod.ts';
import type { Image, Repository } from '../../src/repository/mod.ts';
import { MemoryStore } from '../../src/store/mod.ts';
import { contextOf, imagesOf, newRepository, type Told } from './repository-fixture.ts';

/** A clock that is ahead takes all that was just written for long settled: stat alone tells of changes. */
const AHEAD_MS = 60_000;

export interface TakeOptions extends Partial<BackupOptions> {
  /** Whether what was written just now counts as settled; otherwise the real clock is used. */
  readonly settled?: boolean;
  /** Called with each path before the walk looks at it. */
  readonly beforeLook?: (path: string) => void;
  /** In place of the tree's own. */
  readonly repository?: Repository;
  readonly stateFolder?: string | undefined;
}

/** What a backup did and said. */
export interface Taken {
  readonly summary: BackupSummary;
  readonly image: Image;
  readonly told: Told;
  /** The paths, below the tree, of what it captured anew; without folders. */
  readonly captured: readonly string[];
}

/** A folder that is changed and backed up again and again, with a repository and a track log of its own. */
export class LivingTree {
  readonly folder = mkdtempSync(join(tmpdir(), 'everfull-living-'));
  readonly root = join(this.folder, 'tree');
  readonly state = join(this.folder, 'state');
  readonly repository: Repository;

  private constructor(repository: Repository) {
    this.repository = repository;
    mkdirSync(this.root);
    mkdirSync(this.state);
  }

  static async make(context: TestContext): Promise<LivingTree> {
    const tree = new LivingTree(await newRepository(new MemoryStore()));
    context.after(() => rmSync(tree.folder, { recursive: true }));
    return tree;
  }

  path(...names: string[]): string {
    return join(this.root, ...names);
  }

  async take(options: TakeOptions = {}): Promise<Taken> {
    const {
      settled = true,
      beforeLook,
      repository = this.repository,
      stateFolder = this.state,
      ...rest
    } = options;
    const { backup } = await loadBackup();
    const context = contextOf(repository, { stateFolder });
    const clock = settled ? { ...systemClock, now: () => Date.now() + AHEAD_MS } : systemClock;
    const captured: string[] = [];
    const summary = await backup(
      { ...context, clock },
      {
        paths: [this.root],
        host: 'host',
        tags: [],
        selection: beforeLook === undefined ? new Selection() : new Onlooker(beforeLook),
        skipIfUnchanged: false,
        dryRun: false,
        force: false,
        compression: 'auto',
        leaveOut: [],
        program: 'test',
        item: ({ path, isFolder }) => {
          if (!isFolder) captured.push(path.slice(this.root.length + 1));
        },
        ...rest,
      },
    );
    const images = await imagesOf(repository);
    const image = images.find(({ id }) => hexOf(id) === summary.imageId) ?? images.at(-1)!;
    return { summary, image, told: context.told, captured };
  }

  reader({ header }: Image): ImageReader {
    const { indexRoot: root, indexLevel: level, indexItems: items, indexLength: length } = header;
    return new ImageReader(
      {
        node: async (kind, id) => (await this.repository.frame(kind, id)).plain,
        chunk: async (id) => (await this.repository.frame(FrameKind.chunk, id)).plain,
      },
      { root, level, items, length },
    );
  }

  async entry(image: Image, name: string): Promise<Entry | undefined> {
    return this.reader(image).lookUp(this.path(name));
  }

  /** The bytes of a file in an image. */
  async content(image: Image, name: string): Promise<Buffer> {
    const entry = await this.entry(image, name);
    return bytesOfContent(this.reader(image), entry!.content!);
  }

  /** Fails unless the image has exactly what is there now. */
  async assertHas(image: Image): Promise<void> {
    const nodes: NodeSource = async (kind, id) => (await this.repository.frame(kind, id)).plain;
    const found = await describeImage(this.reader(image), nodes, this.root);
    assert.deepEqual(found, describeFolder(this.root));
  }
}

/** Sees each path just before a walk looks at it. */
class Onlooker extends Selection {
  readonly #beforeLook: (path: string) => void;
  constructor(beforeLook: (path: string) => void, options?: SelectionOptions) {
    super(options);
    this.#beforeLook = beforeLook;
  }

  override excludesPath(path: ByteString): boolean {
    this.#beforeLook(path);
    return super.excludesPath(path);
  }
}

async function bytesOfContent(reader: ImageReader, content: Content): Promise<Buffer> {
  const blocks: Uint8Array[] = [];
  for await (const block of reader.readRange(content)) blocks.push(block);
  return Buffer.concat(blocks);
}

/** What an image must have of an inode, in words that both sides find on their own. */
interface Description {
  readonly type: EntryType;
  readonly attributes: string;
  readonly xattrs: string;
  readonly flags: number;
  readonly content: string;
  readonly links: readonly string[];
}

type Descriptions = Record<string, Description>;

/** By the bits of `st_mode` that tell the type. */
const TYPES: Readonly<Record<number, EntryType>> = {
  1: EntryType.fifo,
  2: EntryType.characterDevice,
  4: EntryType.folder,
  6: EntryType.blockDevice,
  8: EntryType.file,
  10: EntryType.symlink,
  12: EntryType.socket,
};

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function describeXattrs(xattrs: readonly { name: string; value: Uint8Array }[]): string {
  return xattrs.map(({ name, value }) => `${name}=${hexOf(value)}`).join();
}

function describeFolder(root: string): Descriptions {
  const inodes = new Map<string, string[]>();
  const found: Record<string, Omit<Description, 'links'> & { inode: string }> = {};
  const list = (path: string) => {
    const stat = lstatSync(path, { bigint: true });
    const inode = stat.nlink > 1n && !stat.isDirectory() ? `${stat.dev}:${stat.ino}` : '';
    if (inode !== '') inodes.set(inode, [...(inodes.get(inode) ?? []), path]);
    found[path] = { ...describeInode(path, stat), inode };
    if (stat.isDirectory()) for (const name of namesIn(path)) list(`${path}/${name}`);
  };
  list(root);
  const described: Descriptions = {};
  for (const [path, { inode, ...rest }] of Object.entries(found))
    described[path] = { ...rest, links: inKeyOrder(inodes.get(inode) ?? []) };
  return described;
}

function namesIn(folder: string): readonly string[] {
  const fd = openDirectory(AT_FDCWD, folder);
  try {
    return new DirectoryReader().read(fd).names;
  } finally {
    close(fd);
  }
}

function inKeyOrder(paths: readonly string[]): string[] {
  return paths.toSorted((a, b) => (pathKeyOf(a) < pathKeyOf(b) ? -1 : 1));
}

function describeInode(path: string, stat: BigIntStats): Omit<Description, 'links'> {
  const mode = Number(stat.mode);
  const type = TYPES[mode >> 12]!;
  let content = '';
  let flags = 0;
  if (type === EntryType.symlink) content = readlinkSync(path, 'latin1');
  else if (type === EntryType.file) content = `${holesOf(path, stat)} ${digestOf(readFileSync(path))}`;
  else if (type === EntryType.characterDevice || type === EntryType.blockDevice) content = `${stat.rdev}`;
  if (type === EntryType.file || type === EntryType.folder) {
    const fd = openFile(AT_FDCWD, path);
    flags = getInodeFlags(fd) & RESTORABLE_FLAGS;
    close(fd);
  }
  const attributes = `${(mode & 0o7777).toString(8)} ${stat.uid}:${stat.gid} ${stat.mtimeNs}`;
  return { type, attributes, xattrs: describeXattrs(xattrsOfPath(path)), flags, content };
}

function holesOf(path: string, stat: BigIntStats): string {
  const size = Number(stat.size);
  if (stat.blocks * 512n >= stat.size || size < 4096) return '';
  const holes: string[] = [];
  const fd = openFile(AT_FDCWD, path);
  for (let at = 0; at < size; ) {
    const data = seekData(fd, at);
    const end = data < 0 ? size : data;
    if (end > at) holes.push(`${at}-${end}`);
    at = data < 0 ? size : seekHole(fd, data);
  }
  close(fd);
  return holes.join();
}

async function describeImage(reader: ImageReader, nodes: NodeSource, root: string): Promise<Descriptions> {
  const groups = new Map<string, string[]>();
  const entries = new Map<string, Entry>();
  for await (const { path, entry } of reader.walk(root)) {
    entries.set(path, entry);
    if (entry.linkGroup !== undefined)
      groups.set(entry.linkGroup, [...(groups.get(entry.linkGroup) ?? []), path]);
  }
  const described: Descriptions = {};
  for (const [path, entry] of entries) {
    const links = entry.linkGroup === undefined ? [] : inKeyOrder(groups.get(entry.linkGroup)!);
    assert.equal(entry.linkGroup, links[0], 'a group is named by its first path');
    described[path] = { ...(await describeEntry(reader, nodes, entry)), links };
  }
  return described;
}

async function describeEntry(
  reader: ImageReader,
  nodes: NodeSource,
  entry: Entry,
): Promise<Omit<Description, 'links'>> {
  const { type, mode, uid, gid, mtimeSeconds, mtimeNanoseconds, deviceMajor, deviceMinor } = entry;
  const mtime = BigInt(mtimeSeconds) * 1_000_000_000n + BigInt(mtimeNanoseconds);
  let content = entry.target ?? '';
  if (entry.content !== undefined)
    content = `${await holesIn(nodes, entry.content)} ${digestOf(await bytesOfContent(reader, entry.content))}`;
  else if (type === EntryType.characterDevice || type === EntryType.blockDevice)
    // The encoding of glibc's makedev, for numbers below 256.
    content = `${deviceMajor * 256 + deviceMinor}`;
  return {
    type,
    attributes: `${mode.toString(8)} ${uid}:${gid} ${mtime}`,
    xattrs: describeXattrs(entry.xattrs),
    flags: entry.inodeFlags,
    content,
  };
}

async function holesIn(nodes: NodeSource, content: Content): Promise<string> {
  const holes: string[] = [];
  let at = 0;
  for await (const { piece } of piecesInRange(nodes, content, 0, contentLength(content))) {
    if (piece.chunk === undefined) holes.push(`${at}-${at + piece.length}`);
    at += piece.length;
  }
  return holes.join();
}

import assert from 'node:assert/strict';
import {
  chmodSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { type TestContext, test } from 'node:test';
import { FrameKind } from '../format/mod.ts';
import type { ImageSources, TreeRoot } from '../image/mod.ts';
import type { Image } from '../repository/mod.ts';
import { captureImage, type ImageCaptureOptions } from './capture-image.ts';
import { CaptureScene } from './testing/capture-scene.ts';

function noise(seed: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let x = seed * 2 + 1;
  for (let at = 0; at < length; at++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[at] = x;
  }
  return bytes;
}

/** Small files, some of them alike, long ones, one with holes, links. */
function fill(scene: CaptureScene): void {
  mkdirSync(scene.path('many'));
  for (let i = 0; i < 300; i++) writeFileSync(scene.path(`many/${i}`), noise(i % 250, 100 + i * 30));
  writeFileSync(scene.path('empty'), '');
  writeFileSync(scene.path('long'), noise(1000, 5_000_000));
  writeFileSync(scene.path('half'), noise(1001, 600_000));
  linkSync(scene.path('long'), scene.path('many/long too'));
  linkSync(scene.path('many/7'), scene.path('seven'));
  symlinkSync('long', scene.path('link'));
  const sparse = openSync(scene.path('sparse'), 'w');
  writeSync(sparse, noise(1002, 70_000), 0, 70_000, 1 << 20);
  writeSync(sparse, noise(1003, 2_000_000), 0, 2_000_000, 8 << 20);
  closeSync(sparse);
}

async function scenes(context: TestContext): Promise<{ from: CaptureScene; to: CaptureScene; image: Image }> {
  const [from, to] = [await CaptureScene.create(context), await CaptureScene.create(context)];
  fill(from);
  return { from, to, image: (await from.backUp()).image };
}

function rootOf({ header }: Pick<Image, 'header'>): TreeRoot {
  const { indexRoot: root, indexLevel: level, indexItems: items, indexLength: length } = header;
  return { root, level, items, length };
}

/** What the repository of a scene has; counts what is asked for. */
function sourcesOf({
  repository,
}: CaptureScene): ImageSources & { readonly asked: { nodes: number; chunks: number } } {
  const asked = { nodes: 0, chunks: 0 };
  return {
    asked,
    async node(kind, id) {
      asked.nodes++;
      return (await repository.frame(kind, id)).plain;
    },
    async chunk(id) {
      asked.chunks++;
      return (await repository.frame(FrameKind.chunk, id)).plain;
    },
  };
}

/** Copies without committing; what was stored is durable. */
async function copied(
  to: CaptureScene,
  source: ImageSources,
  image: Image,
  options: Partial<ImageCaptureOptions> = {},
) {
  const session = await to.openSession();
  const captured = await captureImage({
    repository: to.repository,
    session,
    source,
    root: rootOf(image),
    before: undefined,
    related: [],
    compression: 'fastest',
    threads: 2,
    signal: new AbortController().signal,
    entry: () => {},
    read: () => {},
    ...options,
  });
  await session.flush();
  return captured;
}

/** An image as far as a reader looks at it. */
function asImage(image: Image, { root, level, items, length }: TreeRoot): Image {
  const header = {
    ...image.header,
    indexRoot: root,
    indexLevel: level,
    indexItems: items,
    indexLength: length,
  };
  return { ...image, header };
}

test('a copy into an empty repository has the index that a backup of the same tree has there', async (context) => {
  const { from, to, image } = await scenes(context);
  const { root, counts } = await copied(to, sourcesOf(from), image);
  await to.assertHolds(asImage(image, root), await from.snapshotOf(image));
  assert.notDeepEqual(root.root, image.header.indexRoot, 'the secrets are others');
  const session = await to.openSession();
  const native = await to.capture(session, { paths: [from.source], base: undefined, stateFolder: undefined });
  assert.deepEqual(root, native.tree.root);
  assert.equal(native.tree.counts.bytesAdded, 0, 'a backup finds all of it');
  assert.ok(counts.bytesAdded > 7_000_000);
  await session.abort({ keep: false });
});

test('of the next image only what differs is read, and the copy is whole', async (context) => {
  const { from, to, image } = await scenes(context);
  const { root } = await copied(to, sourcesOf(from), image);
  writeFileSync(from.path('many/5'), 'other');
  chmodSync(from.path('half'), 0o600);
  writeFileSync(from.path('new'), noise(3, 100 + 3 * 30));
  const next = (await from.backUp()).image;
  const source = sourcesOf(from);
  const again = await copied(to, source, next, { before: { from: rootOf(image), to: root } });
  await to.assertHolds(asImage(next, again.root), await from.snapshotOf(next));
  assert.ok(source.asked.chunks <= 2, `${source.asked.chunks} chunks`);
  assert.equal(again.counts.bytesAdded, 5, 'the file that is there under another name is found');
});

test('what the repository has of the files is not stored again', async (context) => {
  const { from, to, image } = await scenes(context);
  const { root } = await copied(to, sourcesOf(from), image);
  const { counts } = await copied(to, sourcesOf(from), image, { related: [root] });
  assert.equal(counts.bytesAdded, 0);
});

test('a copy that is interrupted, or cannot read the source, rejects', async (context) => {
  const { from, to, image } = await scenes(context);
  const aborted = new AbortController();
  const stopping = copied(to, sourcesOf(from), image, {
    signal: aborted.signal,
    entry: () => aborted.abort(),
  });
  await assert.rejects(stopping, { code: 'interrupted' });
  const source = { ...sourcesOf(from), chunk: () => Promise.reject(new Error('no chunk')) };
  await assert.rejects(copied(to, source, image), /no chunk/);
});

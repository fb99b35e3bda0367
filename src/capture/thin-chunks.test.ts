import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { hexOf } from '../base/mod.ts';
import { noise } from '../chunk/testing/noise.ts';
import type { Image } from '../repository/mod.ts';
import { CaptureScene, idOf } from './testing/capture-scene.ts';

const FILES = 40;

async function chunkOf(scene: CaptureScene, image: Image, name: string): Promise<string> {
  const { content } = (await scene.entry(image, name))!;
  assert.ok(content !== undefined && 'pieces' in content);
  assert.equal(content.pieces.length, 1);
  return hexOf(content.pieces[0]!.chunk!);
}

function write(scene: CaptureScene, number: number, version: number): void {
  writeFileSync(scene.path(`${number}`), noise(8000 + number, number + 100 * version));
}

test('what is left of a chunk that is hardly used any more is stored anew, once much has changed', async (context) => {
  const scene = await CaptureScene.create(context);
  for (let i = 0; i < FILES; i++) write(scene, i, 1);
  const first = await scene.backUp();
  const chunk = await chunkOf(scene, first.image, '0');
  assert.equal(await chunkOf(scene, first.image, `${FILES - 1}`), chunk, 'they all share one');
  for (let i = 10; i < FILES; i++) write(scene, i, 2);
  const second = await scene.backUp();
  assert.equal(await chunkOf(scene, second.image, '0'), chunk, 'what did not change is referenced');
  const third = await scene.backUp();
  assert.deepEqual(
    [...third.captured].sort(),
    Array.from({ length: 10 }, (_, i) => `${i}`),
  );
  for (let i = 0; i < 10; i++) assert.notEqual(await chunkOf(scene, third.image, `${i}`), chunk);
  const snapshot = await scene.snapshotOf(second.image);
  await scene.assertHolds(third.image, snapshot);
  const fourth = await scene.backUp();
  assert.deepEqual(fourth.captured, []);
  assert.equal(idOf(fourth.image), idOf(third.image));
});

test('a chunk of which more than half is used stays', async (context) => {
  const scene = await CaptureScene.create(context);
  for (let i = 0; i < FILES; i++) write(scene, i, 1);
  await scene.backUp();
  for (let i = 0; i < 10; i++) write(scene, i, 2);
  await scene.backUp();
  assert.deepEqual((await scene.backUp()).captured, []);
});

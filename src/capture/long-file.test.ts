import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { CaptureScene, noise, snapshotOfTree } from './testing/capture-scene.ts';

const MiB = 1024 * 1024;

test('an insertion and a change behind it within a run of equal bytes both reach the image', async (context) => {
  const scene = await CaptureScene.create(context);
  const run = Buffer.alloc(600 * 1024, 0x41);
  let start = noise(1 * MiB, 1);
  writeFileSync(scene.path('file'), Buffer.concat([start, noise(2 * MiB, 2), run, noise(5 * MiB, 3)]));
  await scene.backUp();
  for (let round = 1; round <= 4; round++) {
    // The chunks between the two are found again, moved by the insertion.
    start = Buffer.concat([start.subarray(0, 1000), noise(8000, 10 + round), start.subarray(1000)]);
    run[round * 100_000] = round;
    writeFileSync(scene.path('file'), Buffer.concat([start, noise(2 * MiB, 2), run, noise(5 * MiB, 3)]));
    const { image } = await scene.backUp();
    await scene.assertHolds(image, snapshotOfTree(scene.source));
  }
});

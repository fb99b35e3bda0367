import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { hexOf } from '../base/mod.ts';
import { type Image, manifestName } from '../repository/mod.ts';
import { checked, errorsOf, withImages } from './testing/checked-repository.ts';
import { idOf } from './testing/small-repository.ts';

describe('check() of chains', () => {
  const folder = mkdtempSync(join(tmpdir(), 'everfull-check-'));
  after(() => rmSync(folder, { recursive: true }));

  function stateFolder(heads: object): string {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'heads.json'), JSON.stringify(heads));
    return folder;
  }

  const headOf = ({ header, id }: Image) => ({
    [hexOf(header.dataset)]: { sequence: header.sequence, image: hexOf(id) },
  });
  const place = ({ header }: Image) => manifestName(header.dataset, header.sequence);
  const endName = ({ header }: Image) => `sessions/${hexOf(header.session)}.end`;

  it('finds nothing when the remembered image is there, also below a newer one', async () => {
    const { small, images } = await withImages();
    for (const heads of [
      {},
      headOf(images[1]!),
      headOf(images[0]!),
      { ...headOf(images[1]!), ...headOf(images[2]!) },
    ]) {
      assert.deepEqual((await checked(small, {}, stateFolder(heads))).findings, []);
    }
  });

  it('takes remembered heads that make no sense for none', async () => {
    const { small } = await withImages();
    for (const heads of [
      [],
      { x: null },
      { ['a'.repeat(32)]: null },
      { ['a'.repeat(32)]: { sequence: 'x', image: 5 } },
    ]) {
      assert.deepEqual((await checked(small, {}, stateFolder(heads))).findings, []);
    }
  });

  it('notices that the newest image, all of it, was taken away', async () => {
    const { small, images } = await withImages();
    const newest = images[1]!;
    small.store.objects.delete(place(newest));
    small.store.objects.delete(endName(newest));
    small.store.objects.delete(endName(newest).replace('.end', '.open'));
    assert.equal((await checked(small)).errors, 0);
    const { findings } = await checked(small, {}, stateFolder(headOf(newest)));
    assert.equal(findings[0]!.object, place(newest));
    assert.equal(findings[0]!.error.code, 'forged');
    assert.match(findings[0]!.error.message, /rolled back/);
    assert.deepEqual(
      findings[0]!.images.map(({ id }) => id),
      [idOf(newest)],
    );
  });

  it('notices that the end of a remembered session was taken away', async () => {
    const { small, images } = await withImages();
    small.store.objects.delete(endName(images[1]!));
    const without = await checked(small);
    assert.deepEqual(
      [without.errors, without.findings.some(({ error }) => /has not ended/.test(error.message))],
      [0, true],
    );
    assert.deepEqual(errorsOf(await checked(small, {}, stateFolder(headOf(images[1]!)))), [
      { object: endName(images[1]!), images: [[idOf(images[1]!)]] },
    ]);
  });

  it('notices that the end of the session of a base was taken away', async () => {
    const { small, images } = await withImages();
    await small.commit({ '/n': 'n' }, { body: { base: images[1]!.id } });
    small.store.objects.delete(endName(images[1]!));
    assert.deepEqual(errorsOf(await checked(small)), [
      { object: endName(images[1]!), images: [[idOf(images[1]!)]] },
    ]);
  });

  it('notices a gap, and who committed what is missing', async () => {
    const { small, images } = await withImages();
    small.store.objects.delete(place(images[0]!));
    const report = await checked(small);
    assert.deepEqual(new Set(report.findings.map(({ object }) => object)), new Set([place(images[0]!)]));
    assert.deepEqual(errorsOf(report)[0]!.images, [[idOf(images[0]!)]]);
    assert.ok(report.findings.some(({ error }) => /goes on to number 2/.test(error.message)));
    assert.ok(report.findings.some(({ error }) => /committed it/.test(error.message)));
  });

  it('notices an older manifest in place of a newer one', async () => {
    const { small, images } = await withImages();
    small.store.objects.set(place(images[1]!), small.store.objects.get(place(images[0]!))!);
    const report = await checked(small);
    assert.ok(errorsOf(report).some(({ object }) => object === place(images[1]!)));
  });
});

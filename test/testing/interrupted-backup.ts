import assert from 'node:assert/strict';
import { chmodSync, cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { byteStringFromText } from '../../src/base/mod.ts';
import type { Image } from '../../src/repository/mod.ts';
import { openFolderStore } from '../../src/store/mod.ts';
import {
  assertReads,
  backUp,
  checkAll,
  contextOf,
  errorsIn,
  imagesOf,
  newRepository,
  openRepository,
  proseOf,
  type Tree,
  temporaryFolder,
  treeOf,
} from './repository-fixture.ts';

/** A copy of a repository with one image, in which a second backup is to be broken off. */
export interface Attempt {
  readonly repository: string;
  readonly state: string;
}

/** A folder that changed since its first image, and a repository with that image to make copies of. */
export class InterruptedBackup {
  readonly folder = temporaryFolder();
  readonly source = join(this.folder, 'source');
  #before: Tree = new Map();
  #after: Tree = new Map();
  #attempts = 0;

  /** @param change what happens to the folder: other contents, or only another mode, which needs no chunks */
  static async prepare(change: 'contents' | 'mode' = 'contents'): Promise<InterruptedBackup> {
    const prepared = new InterruptedBackup();
    const { folder, source } = prepared;
    mkdirSync(join(source, 'folder'), { recursive: true });
    for (let i = 0; i < 4; i++) writeFileSync(join(source, `file ${i}`), proseOf(i, 2000));
    symlinkSync('file 1', join(source, 'folder/link'));
    prepared.#before = treeOf(source);
    const store = await openFolderStore(byteStringFromText(join(folder, 'whole')), { create: true });
    await backUp(contextOf(await newRepository(store), { stateFolder: join(folder, 'state') }), [source]);
    if (change === 'mode') chmodSync(join(source, 'file 2'), 0o600);
    else {
      writeFileSync(join(source, 'file 2'), proseOf(102, 3000));
      writeFileSync(join(source, 'folder/new'), proseOf(103, 500));
    }
    prepared.#after = treeOf(source);
    return prepared;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  attempt(): Attempt {
    const folder = join(this.folder, `attempt ${++this.#attempts}`);
    const attempt = { repository: join(folder, 'repository'), state: join(folder, 'state') };
    cpSync(join(this.folder, 'whole'), attempt.repository, { recursive: true });
    cpSync(join(this.folder, 'state'), attempt.state, { recursive: true });
    return attempt;
  }

  /** Fails unless the repository is whole and has so many images, the first and those after the change. */
  async assertWhole({ repository: path, state }: Attempt, images: number, what: string): Promise<Image[]> {
    const repository = await openRepository(path);
    assert.deepEqual(errorsIn(await checkAll(repository, state)), [], what);
    const found = await imagesOf(repository);
    assert.equal(found.length, images, `${what}: images`);
    for (const [i, image] of found.entries())
      await assertReads(repository, image, this.source, i === 0 ? this.#before : this.#after, what);
    return found;
  }

  /** Fails unless the next backup succeeds, as if nothing had been; `images` are there before. */
  async assertGoesOn(attempt: Attempt, images: number, what: string): Promise<void> {
    const context = contextOf(await openRepository(attempt.repository), { stateFolder: attempt.state });
    await backUp(context, [this.source]);
    assert.deepEqual(
      context.told.problems.map(({ error }) => error.message),
      [],
      what,
    );
    await this.assertWhole(attempt, images + 1, `${what}, then backed up again`);
    rmSync(join(attempt.repository, '..'), { recursive: true });
  }
}

import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { byteStringFromText, isEverfullError } from '../src/base/mod.ts';
import { Repository } from '../src/repository/mod.ts';
import { countingCalls, type FileSystemCallKind, openFolderStore, systemCalls } from '../src/store/mod.ts';
import { InterruptedBackup } from './testing/interrupted-backup.ts';
import { backUp, contextOf, imagesOf, KEY, openRepository } from './testing/repository-fixture.ts';

/** A failure that the kernel reports. */
const ERRNO = { EIO: -5, ENOSPC: -28 } as const;
type Errno = keyof typeof ERRNO;

/** What needs room on the disk. */
const NEEDS_ROOM: ReadonlySet<FileSystemCallKind> = new Set([
  'create',
  'write',
  'sync',
  'link',
  'makeFolder',
]);

describe('a backup whose repository fails', () => {
  test('once, at any call that changes it, leaves it whole, and the next one goes on', async (context) => {
    const prepared = await preparedFor(context, 'contents');
    await failAtEach(context, prepared, 'EIO', (at, number) => number === at);
  });

  test('for want of room from any call on leaves it whole, and the next one goes on', async (context) => {
    const prepared = await preparedFor(context, 'mode');
    const isFull = (at: number, number: number, kind: FileSystemCallKind) =>
      number >= at && NEEDS_ROOM.has(kind);
    await failAtEach(context, prepared, 'ENOSPC', isFull);
  });
});

async function preparedFor(context: TestContext, change: 'contents' | 'mode'): Promise<InterruptedBackup> {
  const prepared = await InterruptedBackup.prepare(change);
  context.after(() => prepared.remove());
  return prepared;
}

async function failAtEach(
  context: TestContext,
  prepared: InterruptedBackup,
  errno: Errno,
  fails: (at: number, number: number, kind: FileSystemCallKind) => boolean,
): Promise<void> {
  const figures = { failed: 0, succeeded: 0 };
  for (let at = 1, isReached = true; isReached; at++) {
    const attempt = prepared.attempt();
    isReached = false;
    let kind: FileSystemCallKind | undefined;
    const calls = countingCalls(systemCalls, {
      onCall(number, called) {
        if (number === at) isReached = true;
        if (!fails(at, number, called)) return;
        kind ??= called;
        throw Object.assign(new Error(`injected ${errno}`), {
          code: errno,
          errno: ERRNO[errno],
          syscall: called,
        });
      },
    });
    const store = await openFolderStore(byteStringFromText(attempt.repository), { calls });
    const told = contextOf(await Repository.open(store, [KEY]), { stateFolder: attempt.state });
    const error = await backUp(told, [prepared.source]).then(
      () => undefined,
      (error: unknown) => error,
    );
    const what = `${errno} at call ${at}${kind === undefined ? '' : `, ${kind}`}`;
    if (error === undefined) figures.succeeded++;
    else {
      figures.failed++;
      const code = errno === 'EIO' ? 'io' : 'disk-full';
      assert.ok(isEverfullError(error, code), `${what}: ${error}`);
      assert.ok(error.advice !== undefined, `${what}: no advice with ${error.message}`);
    }
    // What was said to have been committed is there; what failed may be there, if only the last step did.
    const images = (await imagesOf(await openRepository(attempt.repository))).length;
    assert.ok(images === 2 || (images === 1 && error !== undefined), `${what}: ${images} images`);
    await prepared.assertWhole(attempt, images, what);
    await prepared.assertGoesOn(attempt, images, what);
  }
  context.diagnostic(
    `${errno}: ${figures.failed} backups failed, ${figures.succeeded} did not mind; repositories damaged 0`,
  );
  assert.ok(figures.failed > 40);
}

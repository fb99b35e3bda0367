/** Restores the newest image of a repository, and is killed once so many entries are done. Arguments: repository, target, entries. */
import { loadRestore } from '../../src/operations/mod.ts';
import { WHOLE_RESTORE } from '../../src/operations/testing/whole-restore.ts';
import { contextOf, imagesOf, openRepository } from './repository-fixture.ts';

const [path, target, entries] = process.argv.slice(2) as [string, string, string];
const repository = await openRepository(path);
const image = (await imagesOf(repository)).at(-1)!;
const { restore } = await loadRestore();
let done = 0;
const summary = await restore(contextOf(repository), {
  ...WHOLE_RESTORE,
  image,
  target,
  onItem: () => {
    if (++done === Number(entries)) process.kill(process.pid, 'SIGKILL');
  },
});
process.stdout.write(JSON.stringify(summary));

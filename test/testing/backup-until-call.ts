import { writeSync } from 'node:fs';
import { byteStringFromText } from '../../src/base/mod.ts';
import { Repository } from '../../src/repository/mod.ts';
import { countingCalls, openFolderStore, systemCalls } from '../../src/store/mod.ts';
import { backUp, contextOf, KEY } from './repository-fixture.ts';

/**
 * `backup-until-call.ts REPOSITORY SOURCE STATE CALL`: backs up a folder and writes each call with which
 * the store changes the file system to standard output, as `NUMBER KIND PATH`, before it is made. Kills
 * itself at the CALL-th; with 0 it goes on to its end.
 */
async function backUpUntilCall(path: string, source: string, stateFolder: string, last: number) {
  const calls = countingCalls(systemCalls, {
    onCall(number, kind, path) {
      writeSync(1, `${number} ${kind} ${path}\n`);
      if (number === last) process.kill(process.pid, 'SIGKILL');
    },
  });
  const store = await openFolderStore(byteStringFromText(path), { calls });
  await backUp(contextOf(await Repository.open(store, [KEY]), { stateFolder }), [source]);
}

if (import.meta.main) {
  const [path, source, stateFolder, last] = process.argv.slice(2);
  await backUpUntilCall(path!, source!, stateFolder!, Number(last));
}

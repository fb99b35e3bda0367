import { writeSync } from 'node:fs';
import { countingCalls, systemCalls } from '../file-system-calls.ts';
import { openFolderStore } from '../folder-store.ts';

/** What the writer puts under `name`: from nothing to 600 kB, different for each name. */
export function contentsOf(name: string): Buffer {
  const sum = [...name].reduce((hash, letter) => (hash * 31 + letter.charCodeAt(0)) % 1_000_003, 7);
  return Buffer.alloc(sum % 600_000, `${name};`);
}

/**
 * `put-until-killed.ts FOLDER RUN CALL`: puts object after object, three at a time, and writes the name
 * of each to standard output once its put resolved. Kills itself before the CALL-th call that changes
 * the file system, then putting one at a time; with 0 it waits to be killed.
 */
async function putUntilKilled(folder: string, run: string, call: number): Promise<void> {
  const calls = countingCalls(systemCalls, {
    onCall(number) {
      if (number === call) process.kill(process.pid, 'SIGKILL');
    },
  });
  const store = await openFolderStore(folder, { calls });
  let count = 0;
  const putAll = async () => {
    for (;;) {
      count += 1;
      const name = `packs/${count % 3}/${run}-${count}`;
      const contents = contentsOf(name);
      await store.putIfAbsent(name, [contents.subarray(0, 1000), contents.subarray(1000)]);
      writeSync(1, `${name}\n`);
    }
  };
  await Promise.all(call === 0 ? [putAll(), putAll(), putAll()] : [putAll()]);
}

if (import.meta.main) {
  const [folder, run, call] = process.argv.slice(2);
  await putUntilKilled(folder, run, Number(call));
}

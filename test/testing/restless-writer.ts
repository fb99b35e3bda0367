import { closeSync, openSync, renameSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';

/**
 * A program that changes files without rest until it is killed: `restless-writer.ts FOLDER NAME…`, each
 * name saying what happens to the file. Prints a line once all of them changed.
 */
const [folder, ...names] = process.argv.slice(2);
let turn = 0;

const ACTIONS: Readonly<Record<string, (path: string) => void>> = {
  overwritten: (path) => {
    const fd = openSync(path, 'r+');
    for (let i = 0; i < 20; i++) writeSync(fd, Buffer.alloc(4096, ++turn), 0, 4096, (turn % 50) * 65_536);
    closeSync(fd);
  },
  growing: (path) => writeFileSync(path, 'more'.repeat(100), { flag: 'a' }),
  shrinking: (path) => truncateSync(path, 3_000_000 - (turn % 3000) * 1000),
  vanishing: (path) => {
    if (turn % 2 === 0) rmSync(path, { force: true });
    else writeFileSync(path, 'here again');
  },
  replaced: (path) => {
    writeFileSync(`${folder}/aside`, Buffer.alloc(100_000, turn));
    renameSync(`${folder}/aside`, path);
  },
};

const changeAll = () => {
  turn++;
  for (const name of names) ACTIONS[name]!(`${folder}/${name}`);
};

changeAll();
process.stdout.write('begun\n');
for (;;) changeAll();

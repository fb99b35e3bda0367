/** All rows, in the order in which they run: the tree's own first, while its images are few. */
import type { Row } from '../bench.ts';
import { changedRow } from './changed.ts';
import { diffRow } from './diff.ts';
import { findRow } from './find.ts';
import { firstRow } from './first.ts';
import { listRow } from './list.ts';
import { insertRow, overwritesRow } from './long-file.ts';
import { memoryRow } from './memory.ts';
import { millionRow } from './million.ts';
import { randomReadRow } from './random-read.ts';
import { restoreRow } from './restore.ts';
import { startRow } from './start.ts';
import { unchangedRow } from './unchanged.ts';

export const ROWS: readonly Row[] = [
  firstRow,
  unchangedRow,
  changedRow,
  restoreRow,
  listRow,
  diffRow,
  findRow,
  memoryRow,
  overwritesRow,
  insertRow,
  randomReadRow,
  millionRow,
  startRow,
];

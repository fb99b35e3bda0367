/** All rows, in the order in which they run: the tree's own first, while its images are few. */
import type { Row } from '../bench.ts';
import { changedRow } from './changed.ts';
import { churnRow } from './churn.ts';
import { diffRow } from './diff.ts';
import { findRow } from './find.ts';
import { firstRow } from './first.ts';
import { forgetRow } from './forget.ts';
import { listRow } from './list.ts';
import { insertRow, overwritesRow } from './long-file.ts';
import { memoryRow } from './memory.ts';
import { millionRow } from './million.ts';
import { pruneRow } from './prune.ts';
import { randomReadRow } from './random-read.ts';
import { restoreRow } from './restore.ts';
import { s3Row } from './s3.ts';
import { startRow } from './start.ts';
import { unchangedRow } from './unchanged.ts';
import { verifyRow } from './verify.ts';

export const ROWS: readonly Row[] = [
  firstRow,
  unchangedRow,
  changedRow,
  restoreRow,
  listRow,
  diffRow,
  findRow,
  verifyRow,
  memoryRow,
  overwritesRow,
  insertRow,
  randomReadRow,
  millionRow,
  forgetRow,
  pruneRow,
  churnRow,
  s3Row,
  startRow,
];

import { fileCycles, folderCycles } from './cycles.ts';
import { doors } from './doors.ts';
import { doorsExist, names } from './folders.ts';
import { layers } from './layers.ts';
import { purity } from './purity.ts';
import { size } from './size.ts';
import type { Rule } from './source.ts';
import { stores } from './stores.ts';

export type { Rule, SourceFile, Violation } from './source.ts';

/** Every rule that `npm run check` holds the sources against. */
export const rules: readonly Rule[] = [
  layers,
  fileCycles,
  folderCycles,
  doors,
  doorsExist,
  names,
  purity,
  size,
  stores,
];

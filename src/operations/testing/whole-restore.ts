import type { RestoreOptions } from '../../restore/mod.ts';

/** All of an image, over whatever is in the target. */
export const WHOLE_RESTORE: Omit<RestoreOptions, 'image' | 'target'> = {
  path: undefined,
  select: () => ({ selected: true, descend: true }),
  overwrite: 'always',
  delete: false,
  strip: 0,
  partial: false,
  verify: false,
  dryRun: false,
};

import { type Command, Option } from 'commander';
import { EverfullError } from '../../base/mod.ts';
import { type CacheFolder, loadCache } from '../../operations/mod.ts';
import type { Run } from '../opening/mod.ts';
import { formatBytes, tableLines } from '../terminal/mod.ts';
import { formatTime, jsonTime } from './format.ts';
import type { Begin } from './verb.ts';

interface CacheFlags {
  readonly cleanup?: boolean;
  readonly remove?: string;
}

const HELP = `
Caches and logs can be removed at any time: the next backup takes longer, nothing else.

Examples:
  $ everfull cache
  $ everfull cache --cleanup
  $ everfull cache --remove 3f2a`;

export function define(command: Command, begin: Begin): void {
  command
    .option('--cleanup', 'remove those of repositories that were not used for 30 days')
    .addOption(
      new Option('--remove <id>', 'remove the one of a repository, by the beginning of its id').conflicts(
        'cleanup',
      ),
    )
    .addHelpText('after', HELP)
    .action(async (flags: CacheFlags) => {
      const run = begin(command);
      const root = run.settings.cacheFolder;
      if (root === undefined) {
        throw new EverfullError('usage', 'Could not look at the caches: there is no cache folder', {
          advice: 'Name it with --cache-dir or EVERFULL_CACHE_DIR, and leave out --no-cache.',
        });
      }
      const { CACHE_AGE_MS, cleanCaches, listCaches, removeCache } = await loadCache();
      const oldBefore = run.clock.now() - CACHE_AGE_MS;
      if (flags.remove !== undefined) printRemoved(run, [await removeCache(root, flags.remove)]);
      else if (flags.cleanup) printRemoved(run, await cleanCaches(root, oldBefore));
      else printCaches(run, root, await listCaches(root), oldBefore);
    });
}

function printRemoved(run: Run, caches: readonly CacheFolder[]): void {
  if (run.settings.json) run.output.json({ message_type: 'cache_removed', ids: caches.map(({ id }) => id) });
  else if (!run.settings.quiet) {
    for (const { id, size } of caches) run.output.line(`removed ${id}, ${formatBytes(size)}`);
    if (caches.length === 0) run.output.line('nothing to remove');
  }
}

function printCaches(run: Run, root: string, caches: readonly CacheFolder[], oldBefore: number): void {
  if (run.settings.json) {
    run.output.json(
      caches.map(({ id, size, lastUsed }) => ({
        repository_id: id,
        size,
        last_used: jsonTime(lastUsed),
        old: lastUsed < oldBefore,
      })),
    );
    return;
  }
  const rows = caches.map(({ id, size, lastUsed }) => [
    id,
    formatTime(lastUsed),
    lastUsed < oldBefore ? 'yes' : '',
    formatBytes(size),
  ]);
  const columns = [
    { title: 'Repository' },
    { title: 'Last used' },
    { title: 'Old' },
    { title: 'Size', align: 'right' as const },
  ];
  for (const line of tableLines(columns, rows)) run.output.line(line);
  run.output.line(`${caches.length} in ${root}`);
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withCatalog } from './mod.ts';
import { catalogContract } from './testing/contract.ts';

const options = {
  signal: new AbortController().signal,
  notice: (message: string) => {
    throw new Error(`unexpected notice: ${message}`);
  },
};

catalogContract('private', (use) => withCatalog(undefined, options, use));

catalogContract('kept in a folder', async (use) => {
  const folder = await mkdtemp(join(tmpdir(), 'catalog-'));
  try {
    await withCatalog(join(folder, 'state'), options, use);
  } finally {
    await rm(folder, { recursive: true });
  }
});

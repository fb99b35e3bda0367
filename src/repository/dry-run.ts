import type { ObjectStore } from '../store/mod.ts';
import { ChunkIndex } from './chunk-index.ts';
import type { Repository } from './repository.ts';
import type { SessionHost } from './session-host.ts';

/** A host for sessions in which nothing is written: what they put goes nowhere. */
export function dryRunOf(repository: Repository): SessionHost {
  const { store, keyring, secrets } = repository;
  const nowhere: ObjectStore = {
    location: store.location,
    putIfAbsent: async () => {},
    replace: async () => {},
    delete: async () => {},
    close: async () => {},
    get: (name, options) => store.get(name, options),
    size: (name) => store.size(name),
    deleteDurably: async () => {},
    list: (prefix) => store.list(prefix),
  };
  // What would have been stored must not be taken for stored by those who use the repository after this.
  const added = new ChunkIndex(nowhere);
  return {
    store: nowhere,
    keyring,
    secrets,
    reusable: () => repository.reusable(added),
    chainEnd: (dataset) => repository.chainEnd(dataset),
  };
}

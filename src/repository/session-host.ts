import type { DomainSecrets, Keyring } from '../crypto/mod.ts';
import type { ManifestBody, ManifestHeader } from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import type { ChunkIndex } from './chunk-index.ts';

/** A manifest as it stands in the store, its signature and body checked. */
export interface Manifest {
  /** BLAKE3 of the header: the image's id. */
  readonly id: Buffer;
  readonly header: ManifestHeader;
  readonly body: ManifestBody;
}

/** What a writing session needs of its repository. */
export interface SessionHost {
  readonly store: ObjectStore;
  readonly keyring: Keyring;
  readonly secrets: DomainSecrets;
  readonly index: ChunkIndex;
  /** The newest manifest of a dataset, committed or not: the end of its chain. */
  lastManifest(dataset: Uint8Array): Promise<Manifest | undefined>;
}

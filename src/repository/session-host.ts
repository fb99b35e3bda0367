import type { DomainSecrets, Keyring } from '../crypto/mod.ts';
import type { ManifestBody, ManifestHeader, PackRow, TablePack } from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import type { DamagedFrames } from './damaged.ts';

/** A manifest as it stands in the store, its signature and body checked. */
export interface Manifest {
  /** BLAKE3 of the header: the image's id. */
  readonly id: Buffer;
  readonly header: ManifestHeader;
  readonly body: ManifestBody;
}

/** Which frames a session may build on. */
export interface KnownFrames {
  has(id: Uint8Array): boolean;
  /** Told of a pack once it and its segment are durable. */
  addPack(pack: TablePack, rows: readonly PackRow[]): void;
}

/** The manifest behind which the next of a dataset is signed. */
export interface ChainEnd {
  readonly sequence: number;
  readonly id: Buffer;
}

/** What a writing session needs of its repository. */
export interface SessionHost {
  readonly store: ObjectStore;
  readonly keyring: Keyring;
  readonly secrets: DomainSecrets;
  /** Looks at what the store has now: what a session may build on that was opened before, and what is damaged. */
  reusable(): Promise<{ readonly frames: KnownFrames; readonly damaged: DamagedFrames }>;
  /** The newest manifest of a dataset, committed or not. */
  chainEnd(dataset: Uint8Array): Promise<ChainEnd | undefined>;
}

import { EverfullError, equalBytes, hexOf, isEverfullError } from '../base/mod.ts';
import {
  type DataKey,
  type DomainSecrets,
  digest,
  type Endpoint,
  openEndpoint,
  unwrapDataKey,
  unwrapFormerKey,
  type WrappingKey,
} from '../crypto/mod.ts';
import { dataKeyRecord, endpointRecord, formerKeyRecord, RECORD_BYTES_MAX } from '../format/mod.ts';
import type { ObjectStore } from '../store/mod.ts';
import { formerKeyName } from './names.ts';
import { checkNotRotated } from './opening.ts';

/** More rotations than anybody makes; a chain that is longer is a circle. */
const ROTATIONS_MAX = 10_000;

/**
 * The wrapping keys of an open repository: the one that it was opened with, and through it those before it,
 * each read when something is met that it sealed. Writers that were open during a rotation go on sealing with
 * the key of before. `docs/decisions/0026-rotation.md`
 *
 * What cannot be opened rejects with 'damaged', or with 'keys-rotated' where the repository was opened with a
 * key that is a former one by now.
 */
export class WrappingKeys {
  readonly current: WrappingKey;
  readonly #store: ObjectStore;
  readonly #former = new Map<string, Promise<WrappingKey>>();

  constructor(store: ObjectStore, current: WrappingKey) {
    this.#store = store;
    this.current = current;
  }

  async dataKey(bytes: Uint8Array): Promise<DataKey> {
    return unwrapDataKey(await this.of(dataKeyRecord.decode(bytes, digest).header.wrappingKeyId), bytes);
  }

  async endpoint(secrets: DomainSecrets, bytes: Uint8Array): Promise<Endpoint> {
    const { wrappingKeyId } = endpointRecord.decode(bytes, digest).header;
    return openEndpoint(await this.of(wrappingKeyId), secrets, bytes);
  }

  /** The wrapping key of this id. */
  of(id: Uint8Array): Promise<WrappingKey> {
    if (equalBytes(id, this.current.id)) return Promise.resolve(this.current);
    const name = hexOf(id);
    let found = this.#former.get(name);
    if (found === undefined) {
      found = this.#find(Buffer.from(id));
      this.#former.set(name, found);
      // What could not be read now may be there for the next who asks.
      found.catch(() => this.#former.delete(name));
    }
    return found;
  }

  /** Each former key names the one that seals it, up to the current one; from there they are opened, one by one. */
  async #find(id: Uint8Array): Promise<WrappingKey> {
    const chain: Uint8Array[] = [];
    for (let wanted = id; !equalBytes(wanted, this.current.id); ) {
      const bytes = await this.#read(wanted);
      chain.push(bytes);
      if (chain.length > ROTATIONS_MAX)
        throw new EverfullError(
          'damaged',
          `Could not open wrapping key ${hexOf(id)}: the keys after it lead nowhere`,
        );
      wanted = formerKeyRecord.decode(bytes, digest).header.wrappingKeyId;
    }
    return chain.reduceRight(unwrapFormerKey, this.current);
  }

  async #read(id: Uint8Array): Promise<Uint8Array> {
    try {
      return await this.#store.get(formerKeyName(id), { limit: RECORD_BYTES_MAX });
    } catch (error) {
      if (!isEverfullError(error, 'object-missing')) throw error;
      await checkNotRotated(this.#store, this.current);
      throw new EverfullError(
        'damaged',
        `Could not open what wrapping key ${hexOf(id)} sealed: the repository was opened with ${hexOf(this.current.id)}, and the other is missing`,
        { cause: error },
      );
    }
  }
}

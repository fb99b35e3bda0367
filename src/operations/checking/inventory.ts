import { isEverfullError } from '../../base/mod.ts';
import {
  CONDEMNED_PREFIX,
  CONFIG,
  DAMAGED_PREFIX,
  DATA_KEY_PREFIX,
  DOMAIN_PREFIX,
  ENDPOINT_PREFIX,
  FORMER_KEY_PREFIX,
  INDEX_PREFIX,
  MANIFEST_PREFIX,
  PACK_PREFIX,
  RETENTION_PREFIX,
  SESSION_PREFIX,
  SLOT_PREFIX,
  STORE,
} from '../../repository/mod.ts';
import type { ObjectStore } from '../../store/mod.ts';

const NAMES = {
  domain: new RegExp(`^${DOMAIN_PREFIX}([0-9a-f]{32})$`),
  former: new RegExp(`^${FORMER_KEY_PREFIX}([0-9a-f]{32})$`),
  slot: new RegExp(`^${SLOT_PREFIX}([0-9a-f]{16})$`),
  dataKey: new RegExp(`^${DATA_KEY_PREFIX}([0-9a-f]{32})$`),
  endpoint: new RegExp(`^${ENDPOINT_PREFIX}([0-9a-f]{32})$`),
  pack: new RegExp(`^${PACK_PREFIX}([0-9a-f]{2})/(\\1[0-9a-f]{30})$`),
  segment: new RegExp(`^${INDEX_PREFIX}([0-9a-f]{32})$`),
  manifest: new RegExp(`^${MANIFEST_PREFIX}([0-9a-f]{32})/([0-9]{10})$`),
  open: new RegExp(`^${SESSION_PREFIX}([0-9a-f]{32})\\.open$`),
  beat: new RegExp(`^${SESSION_PREFIX}([0-9a-f]{32})\\.beat$`),
  end: new RegExp(`^${SESSION_PREFIX}([0-9a-f]{32})\\.end$`),
  read: new RegExp(`^${SESSION_PREFIX}([0-9a-f]{32})\\.read$`),
  retention: new RegExp(`^${RETENTION_PREFIX}([0-9]{10})$`),
  condemned: new RegExp(`^${CONDEMNED_PREFIX}([0-9a-f]{32})$`),
  damaged: new RegExp(`^${DAMAGED_PREFIX}([0-9a-f]{32})$`),
};
type Kind = keyof typeof NAMES;

/** What a store holds, by kind, as listed once. */
export class Inventory {
  readonly #store: ObjectStore;
  /** The hexadecimal part of the name; for manifests dataset and sequence. Sorted. */
  readonly ids: Readonly<Record<Kind, string[]>> = {
    domain: [],
    former: [],
    slot: [],
    dataKey: [],
    endpoint: [],
    pack: [],
    segment: [],
    manifest: [],
    open: [],
    beat: [],
    end: [],
    read: [],
    retention: [],
    condemned: [],
    damaged: [],
  };
  readonly packSizes = new Map<string, number>();
  /** Names that mean nothing to this version. */
  readonly strangers: string[] = [];
  objects = 0;
  bytes = 0;

  private constructor(store: ObjectStore) {
    this.#store = store;
  }

  static async of(store: ObjectStore): Promise<Inventory> {
    const inventory = new Inventory(store);
    for await (const { name, size } of store.list('')) inventory.#add(name, size);
    for (const ids of Object.values(inventory.ids)) ids.sort();
    inventory.strangers.sort();
    return inventory;
  }

  #add(name: string, size: number): void {
    this.objects++;
    this.bytes += size;
    if (name === CONFIG || name === STORE) return;
    for (const [kind, pattern] of Object.entries(NAMES) as [Kind, RegExp][]) {
      const match = pattern.exec(name);
      if (match === null) continue;
      const id = kind === 'pack' ? match[2]! : kind === 'manifest' ? `${match[1]}/${match[2]}` : match[1]!;
      this.ids[kind].push(id);
      if (kind === 'pack') this.packSizes.set(id, size);
      return;
    }
    this.strangers.push(name);
  }

  /** Whether there is such an object now: one that others wrote since the listing counts. */
  async exists(name: string): Promise<boolean> {
    try {
      await this.#store.size(name);
      return true;
    } catch (error) {
      if (isEverfullError(error, 'object-missing')) return false;
      throw error;
    }
  }
}

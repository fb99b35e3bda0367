import {
  checkObjectName,
  checkPrefix,
  type GetOptions,
  type ListedObject,
  type ObjectStore,
  objectExists,
  objectMissing,
  rangeToRead,
} from './store.ts';

/** Objects in memory, for tests, which may look at `objects` and change them behind the store's back. */
export class MemoryStore implements ObjectStore {
  readonly location = 'memory';
  readonly objects = new Map<string, Uint8Array>();

  // Each method waits once before its effect, so that callers which rely on luck meet other orders.

  async putIfAbsent(name: string, parts: readonly Uint8Array[]): Promise<void> {
    checkObjectName(name);
    await nextTurn();
    if (this.objects.has(name)) throw objectExists(name, this.location);
    this.objects.set(name, Buffer.concat(parts));
  }

  async replace(name: string, parts: readonly Uint8Array[]): Promise<void> {
    checkObjectName(name);
    await nextTurn();
    this.objects.set(name, Buffer.concat(parts));
  }

  async get(name: string, options: GetOptions = {}): Promise<Uint8Array> {
    const object = await this.#object(name);
    const { offset, length } = rangeToRead(name, object.length, options);
    return Buffer.from(object.subarray(offset, offset + length));
  }

  async size(name: string): Promise<number> {
    return (await this.#object(name)).length;
  }

  async *list(prefix: string): AsyncIterable<ListedObject> {
    checkPrefix(prefix);
    await nextTurn();
    for (const [name, object] of this.objects) {
      if (name.startsWith(prefix)) yield { name, size: object.length };
    }
  }

  async delete(name: string): Promise<void> {
    checkObjectName(name);
    await nextTurn();
    this.objects.delete(name);
  }

  async deleteDurably(names: readonly string[]): Promise<void> {
    names.forEach(checkObjectName);
    for (const name of names) await this.delete(name);
  }

  async close(): Promise<void> {}

  async #object(name: string): Promise<Uint8Array> {
    checkObjectName(name);
    await nextTurn();
    const object = this.objects.get(name);
    if (object === undefined) throw objectMissing(name, this.location);
    return object;
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

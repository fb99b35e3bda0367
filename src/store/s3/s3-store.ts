import { EverfullError } from '../../base/mod.ts';
import {
  type ByteRange,
  checkObjectName,
  checkPrefix,
  type GetOptions,
  isObjectName,
  type ListedObject,
  type ObjectStore,
  objectExists,
  objectMissing,
  rangeToRead,
} from '../store.ts';
import type { HttpAnswer } from './http.ts';
import { type ListingPage, parseListing } from './listing.ts';
import { S3Client, type S3Keys, type S3Place, type S3Request } from './s3-client.ts';
import { networkError, refusalError, refusalOf } from './s3-error.ts';

export interface S3Options extends S3Place, S3Keys {
  /** Of all keys, without a slash at its ends; '' for none. */
  readonly prefix: string;
  /** Make the bucket where it is missing. */
  readonly create?: boolean;
  /** After so long without a byte either way a request fails. */
  readonly idleMs?: number;
}

/** Longer than a server thinks about any request, and than a slow line is silent. */
const IDLE_MS = 60_000;
const DELETES_AT_ONCE = 16;
/** 1,000 keys of 1 KiB each, every byte of them escaped. */
const LISTING_BYTES_MAX = 8 * 1024 * 1024;
const SHORT_BODY_BYTES_MAX = 64 * 1024;

/**
 * Opens a bucket, or what is below a prefix in it, as a store. Rejects with 'object-missing' when there is
 * no such bucket and `create` is not set, 'io' when the server refuses or cannot be reached.
 */
export async function openS3Store(options: S3Options): Promise<S3Store> {
  const { endpoint, bucket, prefix, create = false, idleMs = IDLE_MS } = options;
  const client = new S3Client({ endpoint, bucket }, options, idleMs);
  const path = [new URL(endpoint).origin, bucket, prefix].filter((part) => part !== '').join('/');
  const store = new S3Store(client, `s3:${path}`, prefix);
  try {
    await store.openBucket(create);
  } catch (error) {
    client.close();
    throw error;
  }
  return store;
}

/**
 * Objects of a bucket, each at the key that is the prefix and its name.
 *
 * An answer of success is the server's word that the object is durable, and all that a client can know.
 * What is known for sure is compared: lengths of bodies, ranges, and, by those who call, digests.
 */
export class S3Store implements ObjectStore {
  readonly location: string;
  readonly #client: S3Client;
  /** '', or ends with a slash. */
  readonly #prefix: string;

  constructor(client: S3Client, location: string, prefix: string) {
    this.#client = client;
    this.location = location;
    this.#prefix = prefix === '' ? '' : `${prefix}/`;
  }

  engine(): string {
    return this.#client.engine;
  }

  async putIfAbsent(name: string, parts: readonly Uint8Array[]): Promise<void> {
    checkObjectName(name);
    const request = { headers: { 'if-none-match': '*' }, parts };
    await this.#ask('put', name, 'PUT', request, async (answer, refused) => {
      if (isSuccess(answer)) return done(answer);
      const failure = await refused();
      // 409 is the answer to one of two puts at the same time, which of them the server does not say.
      const exists =
        answer.status === 412 || (answer.status === 409 && (await this.#sizeIfThere(name)) !== undefined);
      throw exists ? objectExists(name, this.location) : failure;
    });
  }

  async replace(name: string, parts: readonly Uint8Array[]): Promise<void> {
    checkObjectName(name);
    await this.#ask('put', name, 'PUT', { parts }, async (answer, refused) => {
      if (!isSuccess(answer)) throw await refused();
      await done(answer);
    });
  }

  async get(name: string, options: GetOptions = {}): Promise<Uint8Array> {
    checkObjectName(name);
    const { range } = options;
    if (range === undefined) return this.#getWhole(name, options);
    // Whether they are numbers, and within the limit, before anything is asked for.
    rangeToRead(name, Number.MAX_SAFE_INTEGER, options);
    if (range.length > 0) return this.#getRange(name, range);
    // HTTP has no empty range.
    rangeToRead(name, await this.size(name), options);
    return Buffer.alloc(0);
  }

  #getWhole(name: string, options: GetOptions): Promise<Uint8Array> {
    return this.#ask('read', name, 'GET', {}, async (answer, refused) => {
      if (answer.status !== 200) throw await refused();
      try {
        const size = answer.length;
        if (size === undefined) throw this.#oddAnswer('read', name, 'it does not say how long the object is');
        return await answer.bytes(rangeToRead(name, size, options).length);
      } catch (error) {
        answer.drop();
        throw error;
      }
    });
  }

  #getRange(name: string, range: ByteRange): Promise<Uint8Array> {
    const { offset, length } = range;
    const headers = { range: `bytes=${offset}-${offset + length - 1}` };
    return this.#ask('read', name, 'GET', { headers }, async (answer, refused) => {
      const isShort = answer.status === 416;
      if (answer.status !== 206 && !isShort) {
        if (answer.status !== 200) throw await refused();
        answer.drop();
        throw this.#oddAnswer('read', name, 'it is not the range that was asked for');
      }
      if (!isShort && answer.length === length && startOf(answer) === offset) return answer.bytes(length);
      answer.drop();
      // Whether it is the object that ends too early, and not this answer.
      rangeToRead(name, await this.size(name), { range });
      throw this.#oddAnswer('read', name, 'it is not the range that was asked for', true);
    });
  }

  async size(name: string): Promise<number> {
    checkObjectName(name);
    const size = await this.#sizeIfThere(name);
    if (size === undefined) throw objectMissing(name, this.location);
    return size;
  }

  async *list(prefix: string): AsyncIterable<ListedObject> {
    checkPrefix(prefix);
    let token: string | undefined;
    do {
      const page: ListingPage = await this.#page(prefix, token);
      for (const { key, size } of page.objects) {
        if (!key.startsWith(this.#prefix + prefix)) continue;
        const name = key.slice(this.#prefix.length);
        if (isObjectName(name)) yield { name, size };
      }
      if (page.next !== undefined && page.next === token) {
        throw this.#oddAnswer('list', prefix, 'it leads to itself');
      }
      token = page.next;
    } while (token !== undefined);
  }

  async delete(name: string): Promise<void> {
    checkObjectName(name);
    await this.#ask('delete', name, 'DELETE', {}, async (answer, refused) => {
      if (isSuccess(answer)) return done(answer);
      const failure = await refused();
      if (failure.context.code !== 'NoSuchKey') throw failure;
    });
  }

  async deleteDurably(names: readonly string[]): Promise<void> {
    names.forEach(checkObjectName);
    const rest = names.values();
    let failed = false;
    const lane = async () => {
      for (const name of rest) {
        if (failed) return;
        await this.delete(name).catch((error: unknown) => {
          failed = true;
          throw error;
        });
      }
    };
    const lanes = await Promise.allSettled(Array.from({ length: DELETES_AT_ONCE }, lane));
    for (const outcome of lanes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  async close(): Promise<void> {
    this.#client.close();
  }

  /** Looks whether the bucket is there. */
  async openBucket(create: boolean): Promise<void> {
    if (await this.#hasBucket()) return;
    if (!create) {
      throw new EverfullError('object-missing', `cannot open "${this.location}": the bucket does not exist`, {
        context: { location: this.location },
        advice: 'Check the address, or make the bucket.',
      });
    }
    const action = `make the bucket of "${this.location}"`;
    await this.#exchange(action, 'PUT', '', {}, async (answer, refused) => {
      if (isSuccess(answer)) return done(answer);
      const failure = await refused();
      // Somebody else was quicker.
      if (answer.status !== 409 || !(await this.#hasBucket())) throw failure;
    });
  }

  #hasBucket(): Promise<boolean> {
    return this.#exchange(`open "${this.location}"`, 'HEAD', '', {}, async (answer, refused) => {
      if (isSuccess(answer)) return true;
      const failure = await refused();
      if (answer.status === 404) return false;
      throw failure;
    });
  }

  #sizeIfThere(name: string): Promise<number | undefined> {
    return this.#ask('read', name, 'HEAD', {}, async (answer, refused) => {
      if (answer.status === 200) {
        const { length } = answer;
        await done(answer);
        if (length === undefined)
          throw this.#oddAnswer('read', name, 'it does not say how long the object is');
        return length;
      }
      const failure = await refused();
      if (answer.status !== 404) throw failure;
      // An answer to HEAD has no body, and does not say what it is that is not there.
      if (await this.#hasBucket()) return undefined;
      throw refusalError(this.#action('read', name), { status: 404, code: 'NoSuchBucket' });
    });
  }

  #page(prefix: string, token: string | undefined): Promise<ListingPage> {
    const query = {
      'list-type': '2',
      'encoding-type': 'url',
      ...(this.#prefix + prefix !== '' && { prefix: this.#prefix + prefix }),
      ...(token !== undefined && { 'continuation-token': token }),
    };
    const action = `list the objects "${prefix}…" in "${this.location}"`;
    return this.#exchange(action, 'GET', '', { query }, async (answer, refused) => {
      if (answer.status !== 200) throw await refused();
      return parseListing(await answer.text(LISTING_BYTES_MAX));
    });
  }

  /** {@link #exchange} about an object. Of one that is not there `refused` gives 'object-missing'. */
  #ask<T>(
    verb: string,
    name: string,
    method: string,
    request: S3Request,
    take: (answer: HttpAnswer, refused: () => Promise<EverfullError>) => Promise<T>,
  ): Promise<T> {
    return this.#exchange(this.#action(verb, name), method, this.#prefix + name, request, (answer, refused) =>
      take(answer, async () => {
        const failure = await refused();
        return method === 'GET' && failure.context.code === 'NoSuchKey'
          ? objectMissing(name, this.location)
          : failure;
      }),
    );
  }

  /**
   * Sends a request and has the answer taken, whose body `take` must read, or drop, or give to `refused`,
   * which makes an error of it.
   */
  async #exchange<T>(
    action: string,
    method: string,
    key: string,
    request: S3Request,
    take: (answer: HttpAnswer, refused: () => Promise<EverfullError>) => Promise<T>,
  ): Promise<T> {
    try {
      const answer = await this.#client.send(method, key, request);
      return await take(answer, async () => refusalError(action, await refusalOf(answer)));
    } catch (error) {
      throw networkError(action, error);
    }
  }

  /** An answer of success that is not what was asked for. */
  #oddAnswer(verb: string, name: string, state: string, transient = false): EverfullError {
    return new EverfullError('io', `cannot ${this.#action(verb, name)}: the server answered, but ${state}`, {
      context: { name, transient },
    });
  }

  #action(verb: string, name: string): string {
    return `${verb} object "${name}" in "${this.location}"`;
  }
}

function isSuccess({ status }: HttpAnswer): boolean {
  return status >= 200 && status < 300;
}

/** Takes a body that says nothing, so that the connection is free again. */
async function done(answer: HttpAnswer): Promise<void> {
  await answer.text(SHORT_BODY_BYTES_MAX);
}

/** Where the range of an answer begins; undefined where it does not say. */
function startOf(answer: HttpAnswer): number | undefined {
  const start = /^bytes (\d{1,15})-\d/.exec(answer.header('content-range') ?? '')?.[1];
  return start === undefined ? undefined : Number(start);
}

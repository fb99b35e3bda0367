import { type ByteString, bytesOf } from '../base/mod.ts';
import { DATASET_ID_BYTES, ENDPOINT_ID_BYTES, SECRET_BYTES, SECRETS_ID_BYTES } from '../format/mod.ts';
import { deriveKey, KeyedHash } from './hash.ts';

export const SEGMENT_HASH_BYTES = 16;
const GEAR_ENTRIES = 256;

/**
 * Everything that is computed from the secret of a deduplication domain: ids, fingerprints and
 * boundaries. Each use has a key of its own, so an id of one kind says nothing about another.
 * `docs/format/keys.md`
 */
export class DomainSecrets {
  /** Names the secret in the open; 16 bytes. */
  readonly secretsId: Buffer;
  /** Decides where the nodes of an index end; 32 bytes. */
  readonly boundaryKey: Buffer;
  /** The wrapping key of data keys in a stream between repositories of the domain; 32 bytes. */
  readonly streamKey: Buffer;
  readonly #gear: KeyedHash;
  readonly #chunk: KeyedHash;
  readonly #indexNode: KeyedHash;
  readonly #contentNode: KeyedHash;
  readonly #file: KeyedHash;
  readonly #longFile: KeyedHash;
  readonly #segment: KeyedHash;
  readonly #endpoint: KeyedHash;
  readonly #dataset: KeyedHash;
  readonly #stream: KeyedHash;

  /** @param domainSecret 32 random bytes, the same for ever */
  constructor(domainSecret: Uint8Array) {
    if (domainSecret.length !== SECRET_BYTES)
      throw new RangeError(`a domain secret has ${SECRET_BYTES} bytes, not ${domainSecret.length}`);
    const subKey = (use: string) => deriveKey(`everfull 2026 ${use}`, domainSecret);
    const hash = (use: string) => {
      const key = subKey(use);
      const keyed = new KeyedHash(key);
      key.fill(0);
      return keyed;
    };
    this.secretsId = subKey('secrets id').subarray(0, SECRETS_ID_BYTES);
    this.boundaryKey = subKey('index boundary');
    this.streamKey = subKey('stream key');
    this.#gear = hash('chunk boundary');
    this.#chunk = hash('chunk id');
    this.#indexNode = hash('index node id');
    this.#contentNode = hash('content node id');
    this.#file = hash('file fingerprint');
    this.#longFile = hash('long file fingerprint');
    this.#segment = hash('segment hash');
    this.#endpoint = hash('endpoint id');
    this.#dataset = hash('dataset id');
    this.#stream = hash('stream proof');
  }

  /** 32 bytes over a chunk's plain bytes. */
  chunkId(...parts: Uint8Array[]): Buffer {
    return this.#chunk.digest(...parts);
  }

  /** 32 bytes over an encoded index node. */
  indexNodeId(node: Uint8Array): Buffer {
    return this.#indexNode.digest(node);
  }

  /** 32 bytes over an encoded content node. */
  contentNodeId(node: Uint8Array): Buffer {
    return this.#contentNode.digest(node);
  }

  /** 32 bytes over a file's bytes, given in any pieces. */
  fileFingerprint(...parts: Uint8Array[]): Buffer {
    return this.#file.digest(...parts);
  }

  /** 32 bytes over what a long file is made of, in order: chunk ids, and whatever else the caller tells apart. */
  longFingerprint(parts: readonly Uint8Array[]): Buffer {
    return this.#longFile.digest(joinFramed(parts));
  }

  /** 16 bytes over a segment of a long file or disk. */
  segmentHash(bytes: Uint8Array): Buffer {
    return this.#segment.digest(bytes).subarray(0, SEGMENT_HASH_BYTES);
  }

  /** 16 bytes that stand for a host wherever its name must not be seen. */
  endpointId(host: ByteString): Buffer {
    return this.#endpoint.digest(bytesOf(host)).subarray(0, ENDPOINT_ID_BYTES);
  }

  /** 16 bytes over the parts of a dataset's identity, in order. */
  datasetId(parts: readonly ByteString[]): Buffer {
    return this.#dataset.digest(joinFramed(parts.map(bytesOf))).subarray(0, DATASET_ID_BYTES);
  }

  /** 32 bytes that only the domain can make of the digest of a stream. */
  streamProof(digest: Uint8Array): Buffer {
    return this.#stream.digest(digest);
  }

  /** 256 secret 32-bit numbers, one a byte value, for a gear hash. */
  gearTable(): Uint32Array {
    const table = new Uint32Array(GEAR_ENTRIES);
    for (let at = 0; at < GEAR_ENTRIES; at += 8) {
      const block = this.#gear.digest(Uint8Array.of(at));
      for (let i = 0; i < 8; i++) table[at + i] = block.readUInt32LE(i * 4);
    }
    return table;
  }
}

/** Each part after its length (u32), so that no two lists join to the same bytes. */
function joinFramed(parts: readonly Uint8Array[]): Buffer {
  const joined = Buffer.allocUnsafe(parts.reduce((sum, part) => sum + 4 + part.length, 0));
  let at = 0;
  for (const part of parts) {
    at = joined.writeUInt32LE(part.length, at);
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

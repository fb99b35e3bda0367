import { bufferOf, EverfullError } from '../../base/mod.ts';
import { type DomainSecrets, digest, equalDigests } from '../../crypto/mod.ts';
import {
  checkStreamSegment,
  decodeStreamRecords,
  decodeStreamSegmentHead,
  STREAM_SEGMENT_HEAD_BYTES,
  StreamChain,
  StreamOrder,
  type StreamRecord,
} from '../../format/mod.ts';

/**
 * The records of a stream, each from a segment that was checked whole; the last is `end`, and its proof
 * is right. They are views of memory that belongs to them. Throws 'damaged' for anything but a whole
 * stream, 'forged' where its end was not made by the domain, 'repository-newer' for one of a later version.
 */
export async function* readStream(
  input: AsyncIterable<Uint8Array>,
  secrets: DomainSecrets,
): AsyncGenerator<StreamRecord> {
  const iterator = input[Symbol.asyncIterator]();
  try {
    yield* recordsOf(new ByteSource(iterator), secrets);
  } finally {
    await iterator.return?.();
  }
}

async function* recordsOf(bytes: ByteSource, secrets: DomainSecrets): AsyncGenerator<StreamRecord> {
  const chain = new StreamChain();
  const order = new StreamOrder();
  for (;;) {
    const headBytes = await bytes.take(STREAM_SEGMENT_HEAD_BYTES);
    if (headBytes.length === 0 && chain.segments > 0) break;
    if (order.isComplete) throw damaged('more comes after its end');
    if (headBytes.length < STREAM_SEGMENT_HEAD_BYTES) throw cutOff(chain);
    const head = decodeStreamSegmentHead(headBytes);
    const records = await bytes.take(head.length);
    if (records.length < head.length) throw cutOff(chain);
    checkStreamSegment(headBytes, records, digest);
    chain.follow(head);
    for (const record of decodeStreamRecords(records)) {
      order.check(record.type);
      if (record.type === 'end' && !equalDigests(record.proof, secrets.streamProof(head.previous))) {
        throw new EverfullError(
          'forged',
          'Could not accept the stream: whoever made its end does not have the secrets that its beginning names',
        );
      }
      yield record;
    }
  }
  if (!order.isComplete) throw cutOff(chain);
}

function damaged(why: string): EverfullError {
  return new EverfullError('damaged', `Could not read the stream: ${why}`);
}

function cutOff({ segments }: StreamChain): EverfullError {
  return new EverfullError(
    'damaged',
    `Could not read the stream: it ends in segment ${segments}, before its own end`,
    { advice: 'Copy or export it again: what was read of it is kept, and read faster then.' },
  );
}

/** Takes an input apart into runs of the lengths that are asked for. */
class ByteSource {
  readonly #input: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(input: AsyncIterator<Uint8Array>) {
    this.#input = input;
  }

  /** So many bytes; fewer only where the input ends. Memory is taken for what is there, not for what was asked. */
  async take(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let missing = length; missing > 0; ) {
      if (this.#rest.length === 0) {
        const next = await this.#input.next();
        if (next.done) break;
        this.#rest = bufferOf(next.value);
        continue;
      }
      const part = this.#rest.subarray(0, missing);
      this.#rest = this.#rest.subarray(part.length);
      parts.push(part);
      missing -= part.length;
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }
}

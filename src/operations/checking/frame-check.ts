import { bufferOf, EverfullError, equalBytes, isEverfullError } from '../../base/mod.ts';
import { openFrame } from '../../chunk/mod.ts';
import { type DomainSecrets, digest, Sealer } from '../../crypto/mod.ts';
import { FrameKind } from '../../format/mod.ts';
import { checkLists, listsOf } from '../../image/mod.ts';

/** Frames that stand side by side in a pack. */
export interface FrameRun {
  readonly bytes: Uint8Array;
  readonly frames: readonly FrameToCheck[];
}

export interface FrameToCheck {
  readonly id: Uint8Array;
  readonly kind: FrameKind;
  /** In the bytes of the run. */
  readonly at: number;
  readonly length: number;
  /** Undefined where the pack's table is lost. */
  readonly digest: Uint8Array | undefined;
}

export interface FrameVerdicts {
  /** Plain bytes of each frame; 0 for one that failed. */
  readonly plainLengths: Uint32Array;
  readonly failures: readonly { readonly index: number; readonly message: string }[];
}

/**
 * Reads frames as a restore would, and against the unkeyed digest as a server would; of nodes also
 * whether their headers list what is in them.
 *
 * @param sealers by id of the data key, in hexadecimal
 */
export function checkFrames(
  run: FrameRun,
  secrets: DomainSecrets,
  sealers: ReadonlyMap<string, Sealer>,
): FrameVerdicts {
  const plainLengths = new Uint32Array(run.frames.length);
  const failures: { index: number; message: string }[] = [];
  for (const [index, { id, kind, at, length, digest: expected }] of run.frames.entries()) {
    const frame = run.bytes.subarray(at, at + length);
    try {
      if (expected !== undefined && !equalBytes(digest(frame), expected))
        throw new EverfullError('damaged', 'its bytes do not match the digest in the table of the pack');
      const { plain, header } = openFrame(frame, kind, id, secrets, (dataKeyId) =>
        sealers.get(bufferOf(dataKeyId).toString('hex')),
      );
      if (kind !== FrameKind.chunk) checkLists(header, listsOf(kind, plain));
      plainLengths[index] = plain.length;
    } catch (error) {
      if (!isEverfullError(error)) throw error;
      failures.push({ index, message: error.message });
    }
  }
  return { plainLengths, failures };
}

/** What a worker thread is made with. */
export interface FrameCheckSetup {
  readonly domainSecret: Uint8Array;
  readonly dataKeys: ReadonlyMap<string, Uint8Array>;
}

export function sealersOf(dataKeys: FrameCheckSetup['dataKeys']): Map<string, Sealer> {
  return new Map([...dataKeys].map(([id, key]) => [id, new Sealer(key, Buffer.from(id, 'hex'))]));
}

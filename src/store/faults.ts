import { setTimeout as sleepFor } from 'node:timers/promises';
import { EverfullError } from '../base/mod.ts';
import { aroundStore, type StoreCall } from './around.ts';
import { byteLengthOf, type ObjectStore } from './store.ts';

/** Chances are from 0 to 1 and 0 where not given. */
export interface FaultPlan {
  /** Equal seeds and equal orders of calls give equal faults. */
  readonly seed: number;
  /** A call fails without having had an effect. */
  readonly failBefore?: number;
  /** A call has its effect and fails all the same. */
  readonly failAfter?: number;
  /**
   * A `putIfAbsent` fails and leaves the first half of the object behind. No `ObjectStore` may do that:
   * it shows what the layers above make of one that does.
   */
  readonly tear?: number;
  /** A call comes late, by up to `delayMsMax`. */
  readonly delay?: number;
  readonly delayMsMax?: number;
  /** Whether the failures say that repeating may help. */
  readonly transient?: boolean;
  readonly sleep?: (ms: number) => Promise<unknown>;
}

/** `store` with the faults of `plan`. */
export function withFaults(store: ObjectStore, plan: FaultPlan): ObjectStore {
  const { seed, failBefore = 0, failAfter = 0, tear = 0, delay = 0, delayMsMax = 1 } = plan;
  const { transient = false, sleep = sleepFor } = plan;
  const random = randomFrom(seed);

  const fault = ({ kind, name }: StoreCall, when: string) =>
    new EverfullError('io', `cannot ${kind} "${name}" in "${store.location}": injected fault ${when}`, {
      context: { injected: true, transient },
    });

  return aroundStore(store, async (call, run) => {
    if (random() < delay) await sleep(random() * delayMsMax);
    if (random() < failBefore) throw fault(call, 'before the effect');
    if (call.kind === 'putIfAbsent' && random() < tear) {
      const whole = Buffer.concat(call.parts);
      await store.putIfAbsent(call.name, [whole.subarray(0, byteLengthOf(call.parts) >> 1)]);
      throw fault(call, 'half way');
    }
    const result = await run();
    if (random() < failAfter) throw fault(call, 'after the effect');
    return result;
  });
}

/** Numbers from 0 to 1 that look random and follow from `seed`: a Weyl sequence, mixed as in MurmurHash3. */
function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}

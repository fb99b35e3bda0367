import type { Dice } from './dice.ts';

/** Chances: of a call to fail so, or of a thing to happen before a step. */
export interface FaultRates {
  /** A read, write, link, rename or unlink fails with EIO, without effect. */
  readonly callFails: number;
  /** A link, rename or unlink has its effect and fails with EIO. */
  readonly callFailsLate: number;
  /** A sync of a file or folder fails with EIO; what it should have written may be lost. */
  readonly syncFails: number;
  readonly diskFull: number;
  /** A write takes a part of what it is given. */
  readonly shortWrite: number;
  /** A call to the store fails with an error that passes, before or after its effect, and is repeated. */
  readonly answerLost: number;
  readonly kill: number;
  readonly suspension: number;
  readonly clockJump: number;
  readonly powerCut: number;
  /** A bit of a stored chunk turns over. */
  readonly bitFlip: number;
}

export const NO_FAULTS: FaultRates = {
  callFails: 0,
  callFailsLate: 0,
  syncFails: 0,
  diskFull: 0,
  shortWrite: 0,
  answerLost: 0,
  kill: 0,
  suspension: 0,
  clockJump: 0,
  powerCut: 0,
  bitFlip: 0,
};

/** Some worlds are calm, so that long runs come to their end; some are not. */
export function rollRates(dice: Dice): FaultRates {
  const sometimes = (chance: number, least: number, most: number) =>
    dice.chance(chance) ? dice.magnitude(least, most) : 0;
  return {
    callFails: sometimes(0.3, 1e-4, 3e-3),
    callFailsLate: sometimes(0.3, 1e-3, 1e-2),
    syncFails: sometimes(0.4, 1e-3, 3e-2),
    diskFull: sometimes(0.2, 1e-4, 3e-3),
    shortWrite: sometimes(0.3, 1e-2, 0.3),
    answerLost: sometimes(0.3, 1e-3, 3e-2),
    kill: sometimes(0.6, 1e-4, 2e-3),
    suspension: sometimes(0.6, 3e-4, 1e-2),
    clockJump: sometimes(0.4, 1e-4, 2e-3),
    powerCut: sometimes(0.5, 1e-4, 1e-3),
    bitFlip: sometimes(0.2, 1e-4, 1e-3),
  };
}

/** What strikes, and how often it did. */
export class Faults {
  rates: FaultRates;
  readonly counts = new Map<string, number>();
  readonly #dice: Dice;

  constructor(rates: FaultRates, dice: Dice) {
    this.rates = rates;
    this.#dice = dice;
  }

  /** Whether a fault strikes here, and counts it. */
  strikes(kind: keyof FaultRates): boolean {
    if (this.rates[kind] === 0 || !this.#dice.chance(this.rates[kind])) return false;
    this.count(kind);
    return true;
  }

  count(kind: string, times = 1): void {
    if (times > 0) this.counts.set(kind, (this.counts.get(kind) ?? 0) + times);
  }
}

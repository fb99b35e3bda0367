import { isEverfullError } from '../src/base/mod.ts';
import { type Actor, backUp, backUpAll, forget, GaveUp, hold, prune, restore, verify } from './actors.ts';
import { audit, checkNothingLeft, pruneAll } from './audit.ts';
import { flipBit } from './damage.ts';
import { Dice, withRandomBytesOf } from './dice.ts';
import { NO_FAULTS, rollRates } from './faults.ts';
import type { Mutant } from './mutant.ts';
import { Violation } from './oracle.ts';
import { type ActorName, PROFILES, type ProfileName } from './profiles.ts';
import type { SimulatedProcess } from './scheduler.ts';
import { World } from './world.ts';

const ACTORS: Readonly<Record<ActorName, Actor>> = { backup: backUp, restore, forget, hold, prune, verify };

const STEPS_MAX = 60_000;
/** Of the ends of programs after which everything is looked at. */
const AUDITED = 0.15;

export interface Outcome {
  readonly seed: number;
  readonly steps: number;
  /** Faults by kind, and what was done in spite of them. */
  readonly counts: ReadonlyMap<string, number>;
  /** What went wrong, and the last steps before it. */
  readonly violation: { readonly message: string; readonly trace: readonly string[] } | undefined;
  /** Equal for equal schedules. */
  readonly digest: string;
}

/** A world from its beginning to its end. Equal seeds give equal outcomes. */
export function simulate(seed: number, mutant?: Mutant): Promise<Outcome> {
  const dice = new Dice(seed);
  return withRandomBytesOf(dice, () => new Simulation(seed, dice, mutant).run());
}

/** The first seed in whose world a mutant breaks a promise, and a program that does all right does not. */
export async function killerOf(mutant: Mutant, first: number, seeds: number): Promise<Outcome | undefined> {
  const { calls, view, ...sane } = mutant;
  for (let seed = first; seed < first + seeds; seed++) {
    const outcome = await simulate(seed, mutant);
    if (outcome.violation !== undefined && (await simulate(seed, sane)).violation === undefined)
      return outcome;
  }
  return undefined;
}

class Simulation {
  readonly #seed: number;
  readonly #dice: Dice;
  readonly #mutant: Mutant | undefined;
  readonly #world: World;
  /** Programs still to be started, and how many may run at once. */
  readonly #toStart: ActorName[] = [];
  readonly #atOnce: number;
  #violation: Error | undefined;
  #wantsAudit = false;

  constructor(seed: number, dice: Dice, mutant: Mutant | undefined) {
    this.#seed = seed;
    this.#dice = dice;
    this.#mutant = mutant;
    this.#world = new World(dice, mutant);
    this.#atOnce = dice.between(2, 5);
  }

  async run(): Promise<Outcome> {
    const { scheduler, faults, disk } = this.#world;
    try {
      await this.#live();
    } catch (error) {
      this.#violation ??= error as Error;
    }
    for (const [kind, count] of Object.entries(disk.losses)) faults.count(kind, count);
    const { steps, trace } = scheduler;
    const violation = this.#violation && { message: messageOf(this.#violation), trace };
    return { seed: this.#seed, steps, counts: faults.counts, violation, digest: scheduler.traceDigest() };
  }

  async #live(): Promise<void> {
    const { scheduler, faults, disk } = this.#world;
    await this.#alone('init', (process) => this.#world.createRepository(process));
    faults.rates = { ...rollRates(this.#dice), ...(this.#mutant && { bitFlip: 0, ...this.#mutant.rates }) };
    this.#rollActors();
    scheduler.beforeStep = () => this.#beforeStep();
    await this.#untilQuiet();
    faults.rates = NO_FAULTS;
    if (disk.isShutDown || this.#dice.chance(0.5)) this.#cutPower();
    await this.#audit();
    if (this.#world.isDamaged) await this.#heal();
    await this.#spared('final prune', (process) => pruneAll(this.#world, process));
    await this.#alone('final audit', (process) => checkNothingLeft(this.#world, process));
  }

  /** What can be stored anew makes every image whole that used it. */
  async #heal(): Promise<void> {
    await this.#alone('final verify', (process) => verify(this.#world, process));
    await this.#alone('final backup', (process) => backUpAll(this.#world, process));
    this.#world.isDamaged = false;
    await this.#audit();
  }

  #rollActors(): void {
    const rolled = this.#dice.pick(Object.keys(PROFILES) as ProfileName[]);
    const often = Object.entries(PROFILES[this.#mutant?.profile ?? rolled]) as [ActorName, number][];
    const hat = often.flatMap(([name, times]) => Array.from({ length: times }, () => name));
    const count = this.#dice.between(6, 24);
    // Without an image there is little to do wrong.
    this.#toStart.push('backup', ...Array.from({ length: count }, () => this.#dice.pick(hat)));
  }

  async #untilQuiet(): Promise<void> {
    const { scheduler } = this.#world;
    const isQuiet = () => this.#toStart.length === 0 && scheduler.processes.length === 0;
    for (;;) {
      await scheduler.run(() => this.#violation !== undefined || this.#wantsAudit || isQuiet());
      if (this.#violation !== undefined) throw this.#violation;
      if (this.#wantsAudit) await this.#audit();
      else return;
    }
  }

  #beforeStep(): void {
    const { scheduler } = this.#world;
    if (scheduler.steps > STEPS_MAX) this.#violation ??= new Violation('the work does not end');
    const victims = scheduler.processes.filter(({ isSpared }) => !isSpared);
    if (victims.length > 0) this.#strike(victims);
    if (this.#toStart.length > 0 && scheduler.processes.length < this.#atOnce) this.#startNext();
  }

  #strike(victims: readonly SimulatedProcess[]): void {
    const { scheduler, faults, disk } = this.#world;
    const dice = this.#dice;
    const victim = dice.pick(victims);
    if (faults.strikes('suspension')) scheduler.suspend(victim, dice.magnitude(60_000, 2 * 3600_000));
    if (faults.strikes('clockJump')) victim.wallOffset += (dice.fraction() - 0.5) * 7 * 86_400_000;
    if (faults.strikes('bitFlip') && flipBit(disk, dice)) this.#world.isDamaged = true;
    if (faults.strikes('kill')) scheduler.kill(victim);
    if (faults.strikes('powerCut') || (disk.isShutDown && dice.chance(0.02))) this.#cutPower();
  }

  #startNext(): void {
    const name = this.#toStart.shift()!;
    const number = this.#toStart.length;
    this.#world.scheduler.start(
      `${name}-${number}`,
      async (process) => {
        await ACTORS[name](this.#world, process);
        if (this.#dice.chance(AUDITED)) this.#wantsAudit = true;
      },
      (process, error) => this.#failed(process, error),
    );
  }

  /** Some failures are honest. */
  #failed(process: SimulatedProcess, error: unknown): void {
    this.#world.scheduler.note(`${process.name} fails: ${(error as Error).message}`);
    if (error instanceof GaveUp) return;
    // A clock that is a day ahead makes a program take the files of others for leftovers.
    const wasFaulted = process.wasFaulted || this.#world.faults.counts.has('clockJump');
    if (wasFaulted && isEverfullError(error, 'io', 'disk-full')) return;
    if (this.#world.isDamaged && isEverfullError(error, 'damaged')) return;
    if (process.name.startsWith('restore') && isEverfullError(error, 'session-expired')) return;
    this.#violation ??=
      error instanceof Violation
        ? error
        : new Violation(`${process.name} failed: ${messageOf(error)}`, { cause: error });
  }

  /** The machine stops with all that runs on it, and starts again. */
  #cutPower(): void {
    const { scheduler, disk } = this.#world;
    scheduler.note('the power is cut');
    for (const process of [...scheduler.processes]) scheduler.kill(process);
    disk.cutPower(this.#dice);
    this.#wantsAudit = true;
  }

  async #audit(): Promise<void> {
    this.#wantsAudit = false;
    await this.#alone('audit', async (process) => void (await audit(this.#world, process)));
  }

  /** While nobody else does a step, and no time passes. */
  async #alone(name: string, work: (process: SimulatedProcess) => Promise<void>): Promise<void> {
    await this.#spared(name, work, true);
  }

  async #spared(
    name: string,
    work: (process: SimulatedProcess) => Promise<void>,
    isAlone = false,
  ): Promise<void> {
    const { scheduler } = this.#world;
    let failure: unknown;
    const failed = (_: SimulatedProcess, error: unknown) => {
      failure = error;
    };
    const process = scheduler.start(name, work, failed, true);
    await scheduler.run(() => process.isDone, isAlone ? process : undefined);
    if (failure !== undefined) throw failure;
  }
}

function messageOf(error: unknown): string {
  const { message, stack, cause } = error as Error;
  if (error instanceof Violation)
    return cause === undefined ? message : `${message}\n${(cause as Error).stack}`;
  return stack ?? message;
}

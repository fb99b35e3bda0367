import { createHash } from 'node:crypto';
import type { Clock } from '../src/base/mod.ts';
import type { Dice } from './dice.ts';

/** The wall clock at the beginning. */
const EPOCH = Date.UTC(2026, 0, 15);
/** How many of the last steps can be told of. */
const TRACE_STEPS = 1000;
/** So often the event loop gets its turn: rejections that nobody handles are reported there. */
const STEPS_TO_TURN = 4096;
/** The chance that a process becomes faster or slower, a step. */
const WEIGHT_CHANGES = 0.01;

/** A program that the scheduler runs beside others. What it awaits of the world is a step of the scheduler. */
export class SimulatedProcess {
  readonly name: string;
  readonly clock: Clock;
  isAlive = true;
  /** Its work came to an end, or it was killed. */
  isDone = false;
  /** In the scheduler's time. */
  suspendedUntil = 0;
  /** What its own wall clock is ahead. */
  wallOffset = 0;
  /** How likely its steps are beside those of others. */
  weight = 1;
  /** Whether a call of it was made to fail. */
  wasFaulted = false;
  /** Nothing is done to it on purpose. */
  readonly isSpared: boolean;

  constructor(name: string, clock: Clock, isSpared: boolean) {
    this.name = name;
    this.clock = clock;
    this.isSpared = isSpared;
  }
}

interface Task {
  readonly process: SimulatedProcess;
  readonly label: string;
  readonly resume: () => void;
}

interface Timer extends Task {
  readonly due: number;
}

/** Nothing can go on, and something has not come to its end. */
export class DeadlockError extends Error {}

/**
 * Runs processes in one thread, in an order that follows from the dice alone. Whatever reaches out of a
 * process waits in {@link step} until it is chosen; what it does then takes effect at once.
 */
export class Scheduler {
  readonly #dice: Dice;
  /** Mean milliseconds a step. */
  readonly #pace: number;
  readonly #tasks: Task[] = [];
  readonly #timers = new Set<Timer>();
  readonly #processes: SimulatedProcess[] = [];
  readonly #trace: string[] = [];
  readonly #digest = createHash('sha256');
  /** Milliseconds since the beginning. */
  time = 0;
  steps = 0;
  /** Called before each step, unless one process runs alone: faults come from here. */
  beforeStep: () => void = () => {};

  constructor(dice: Dice, pace: number) {
    this.#dice = dice;
    this.#pace = pace;
  }

  get processes(): readonly SimulatedProcess[] {
    return this.#processes;
  }

  /** The last steps, oldest first. */
  get trace(): readonly string[] {
    return this.#trace;
  }

  /** Equal for equal schedules. Once, at the end. */
  traceDigest(): string {
    return this.#digest.update(this.#trace.join('\n')).digest('hex');
  }

  note(text: string): void {
    this.#trace.push(`${(this.time / 1000).toFixed(3)} ${text}`);
    if (this.#trace.length > 2 * TRACE_STEPS)
      this.#digest.update(this.#trace.splice(0, TRACE_STEPS).join('\n'));
  }

  /** Starts a process. `failed` is given what its work throws. */
  start(
    name: string,
    work: (process: SimulatedProcess) => Promise<void>,
    failed: (process: SimulatedProcess, error: unknown) => void,
    isSpared = false,
  ): SimulatedProcess {
    const bootTime = this.#dice.below(1e9);
    const process: SimulatedProcess = new SimulatedProcess(
      name,
      {
        now: () => Math.floor(EPOCH + this.time + process.wallOffset),
        monotonic: () => bootTime + this.time,
        sleep: (ms, signal) => this.#sleep(process, ms, signal),
        every: (ms, work) => this.#every(process, ms, work),
      },
      isSpared,
    );
    this.#processes.push(process);
    this.note(`${name} starts`);
    this.step(process, 'main')
      .then(() => work(process))
      .catch((error: unknown) => failed(process, error))
      .finally(() => this.#end(process));
    return process;
  }

  /** It does nothing more, and nothing that it waits for comes. */
  kill(process: SimulatedProcess): void {
    this.note(`${process.name} is killed`);
    this.#end(process);
  }

  #end(process: SimulatedProcess): void {
    process.isAlive = false;
    process.isDone = true;
    const at = this.#processes.indexOf(process);
    if (at >= 0) this.#processes.splice(at, 1);
    for (let i = this.#tasks.length - 1; i >= 0; i--)
      if (this.#tasks[i]!.process === process) this.#tasks.splice(i, 1);
    for (const timer of this.#timers) if (timer.process === process) this.#timers.delete(timer);
  }

  suspend(process: SimulatedProcess, ms: number): void {
    this.note(`${process.name} is suspended for ${Math.round(ms / 1000)} s`);
    process.suspendedUntil = this.time + ms;
  }

  /** Resolves when the process is chosen to go on; never, once it was killed. */
  step(process: SimulatedProcess, label: string): Promise<void> {
    return new Promise((resolve) => {
      if (process.isAlive) this.#tasks.push({ process, label, resume: resolve });
    });
  }

  #sleep(process: SimulatedProcess, ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const end = () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      const timer = this.#timer(process, ms, 'wakes', end);
      const abort = () => {
        this.#timers.delete(timer);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  #every(process: SimulatedProcess, ms: number, work: () => void): () => void {
    let isStopped = false;
    const again = () => {
      if (isStopped) return;
      work();
      timer = this.#timer(process, ms, 'timer', again);
    };
    let timer = this.#timer(process, ms, 'timer', again);
    return () => {
      isStopped = true;
      this.#timers.delete(timer);
    };
  }

  #timer(process: SimulatedProcess, ms: number, label: string, resume: () => void): Timer {
    const timer = { process, label, resume, due: this.time + ms };
    if (process.isAlive) this.#timers.add(timer);
    return timer;
  }

  /** Goes on until `done`. With `alone`, that process alone does, and no time passes. Throws {@link DeadlockError}. */
  async run(done: () => boolean, alone?: SimulatedProcess): Promise<void> {
    for (;;) {
      await settled(this.steps % STEPS_TO_TURN === 0);
      if (done()) return;
      if (alone === undefined) this.beforeStep();
      this.#ring();
      const task = this.#choose(alone);
      if (task === undefined) {
        if (done()) return;
        if (!this.#leap(alone)) throw new DeadlockError(`Nothing can go on after ${this.steps} steps`);
        continue;
      }
      this.steps++;
      if (alone === undefined) this.time += -Math.log(1 - this.#dice.fraction()) * this.#pace;
      this.note(`${task.process.name}: ${task.label}`);
      task.resume();
    }
  }

  /** Timers whose time has come are steps to choose from. */
  #ring(): void {
    for (const timer of this.#timers) {
      if (timer.due > this.time) continue;
      this.#timers.delete(timer);
      this.#tasks.push(timer);
    }
  }

  #choose(alone: SimulatedProcess | undefined): Task | undefined {
    if (this.#processes.length > 0 && this.#dice.chance(WEIGHT_CHANGES))
      this.#dice.pick(this.#processes).weight = this.#dice.magnitude(0.01, 1);
    const weights = this.#tasks.map(({ process }) => {
      if (alone !== undefined) return process === alone ? 1 : 0;
      return process.suspendedUntil > this.time ? 0 : process.weight;
    });
    const sum = weights.reduce((all, weight) => all + weight, 0);
    if (sum === 0) return undefined;
    let left = this.#dice.fraction() * sum;
    let chosen = weights.findLastIndex((weight) => weight > 0);
    for (const [i, weight] of weights.entries()) {
      left -= weight;
      if (left >= 0 || weight === 0) continue;
      chosen = i;
      break;
    }
    return this.#tasks.splice(chosen, 1)[0];
  }

  /** To the next moment at which something can go on. Whether there is one. */
  #leap(alone: SimulatedProcess | undefined): boolean {
    if (alone !== undefined) return false;
    const moments = [
      ...[...this.#timers].map(({ due }) => due),
      ...this.#tasks.map(({ process }) => process.suspendedUntil),
    ].filter((moment) => moment > this.time);
    if (moments.length === 0) return false;
    this.time = Math.min(...moments);
    return true;
  }
}

/** Resolves when every promise that can go on without the scheduler has. */
function settled(isTurn: boolean): Promise<void> {
  // A tick comes after all that was left to do in promises; nothing below awaits more than promises.
  return new Promise((resolve) => (isTurn ? setImmediate(resolve) : process.nextTick(resolve)));
}

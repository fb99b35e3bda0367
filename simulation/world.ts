import { type Credential, SlotKind } from '../src/crypto/mod.ts';
import { Repository } from '../src/repository/mod.ts';
import { type ObjectStore, openFolderStore, withFaults, withRetries } from '../src/store/mod.ts';
import type { Dice } from './dice.ts';
import { Disk } from './disk.ts';
import { portsOf, STORE_ROOT } from './disk-calls.ts';
import { Faults, NO_FAULTS } from './faults.ts';
import type { Mutant, Role } from './mutant.ts';
import { Oracle } from './oracle.ts';
import { Scheduler, type SimulatedProcess } from './scheduler.ts';
import { type BuiltTree, rollPool } from './trees.ts';

/** How often a call to the store is repeated whose answer was lost. */
const ATTEMPTS = 4;
const RETRY_MS = 100;

/** A disk, the programs that use it, and what they know of each other. */
export class World {
  readonly dice: Dice;
  readonly disk = new Disk();
  readonly scheduler: Scheduler;
  readonly faults: Faults;
  readonly oracle = new Oracle();
  readonly pool: readonly Buffer[];
  /** How many datasets there are. */
  readonly datasets: number;
  /** A bit was turned over, and has not been healed: what is read may be damaged, and nothing else. */
  isDamaged = false;
  /** So many records of the retention log are followed by a snapshot. */
  readonly snapshotAfter: number;
  /** What the machine of each dataset remembers of the images that it made, by session. */
  readonly trackLogs = new Map<string, BuiltTree>();
  readonly mutant: Mutant | undefined;
  readonly #credential: Credential;

  constructor(dice: Dice, mutant: Mutant | undefined) {
    this.dice = dice;
    this.mutant = mutant;
    this.scheduler = new Scheduler(dice, dice.magnitude(1, 3000));
    this.faults = new Faults(NO_FAULTS, dice);
    this.pool = rollPool(dice);
    this.snapshotAfter = dice.pick([1, 4]);
    this.datasets = dice.between(1, 2);
    this.#credential = { kind: SlotKind.keyFile, secret: dice.bytes(32) };
    this.disk.makeFolder(STORE_ROOT);
    this.disk.syncFolder(this.disk.root);
  }

  /** The store as a program of a role sees it. An auditor sees what is there. */
  async openStore(process: SimulatedProcess, role: Role): Promise<ObjectStore> {
    const { clock } = process;
    const isAuditor = role === 'auditor';
    const faults = isAuditor ? new Faults(NO_FAULTS, this.dice) : this.faults;
    const ports = portsOf(this.disk, process, this.scheduler, faults, this.dice);
    const dawdle = () => clock.sleep(this.dice.magnitude(60_000, 60 * 60_000));
    const program = { role, dawdle };
    const calls = isAuditor ? ports.calls : (this.mutant?.calls?.(ports.calls, program) ?? ports.calls);
    const folder = await openFolderStore(STORE_ROOT, { calls, reads: ports.reads, clock });
    if (isAuditor) return folder;
    const { answerLost } = this.faults.rates;
    const lossy = withFaults(folder, {
      seed: this.dice.word(),
      failBefore: answerLost / 2,
      failAfter: answerLost / 2,
      transient: true,
    });
    const sleep = (ms: number) => {
      this.faults.count('answerLost');
      process.wasFaulted = true;
      return clock.sleep(ms);
    };
    const patient = withRetries(answerLost > 0 ? lossy : folder, {
      attempts: ATTEMPTS,
      delayMs: RETRY_MS,
      sleep,
    });
    return this.mutant?.view?.(patient, program) ?? patient;
  }

  async createRepository(process: SimulatedProcess): Promise<void> {
    const slots = [{ credential: this.#credential, label: 'simulation' }];
    await Repository.create(await this.openStore(process, 'auditor'), slots, { clock: process.clock });
  }

  async openRepository(process: SimulatedProcess, role: Role): Promise<Repository> {
    return Repository.open(await this.openStore(process, role), [this.#credential]);
  }
}

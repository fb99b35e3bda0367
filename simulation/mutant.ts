import type { FileSystemCalls, ObjectStore } from '../src/store/mod.ts';
import type { FaultRates } from './faults.ts';
import type { ProfileName } from './profiles.ts';

/** What a program does. An auditor belongs to the simulation. */
export type Role = 'writer' | 'reader' | 'keeper' | 'collector' | 'verifier' | 'auditor';

/** The program that a mutant's ports are for. */
export interface MutantProgram {
  readonly role: Role;
  /** For so long that others come to their end meanwhile. */
  dawdle(): Promise<void>;
}

/** A program that does one thing wrong: its ports are changed, not its code. */
export interface Mutant {
  readonly name: string;
  /** Faults without which nobody would notice. */
  readonly rates?: Partial<FaultRates>;
  /** What has to go on. */
  readonly profile?: ProfileName;
  calls?(calls: FileSystemCalls, program: MutantProgram): FileSystemCalls;
  view?(store: ObjectStore, program: MutantProgram): ObjectStore;
}

/** A view for programs of one role. */
export function viewFor(
  role: Role,
  view: (store: ObjectStore, program: MutantProgram) => ObjectStore,
): NonNullable<Mutant['view']> {
  return (store, program) => (program.role === role ? view(store, program) : store);
}

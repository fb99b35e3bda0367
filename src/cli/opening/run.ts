import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ByteString, type Clock, hexOf, isEverfullError, systemClock } from '../../base/mod.ts';
import type { Credential } from '../../crypto/mod.ts';
import { init, type NewKey, type OperationContext, type StoreContext } from '../../operations/mod.ts';
import { Repository, readConfig } from '../../repository/mod.ts';
import type { ObjectStore } from '../../store/mod.ts';
import { displayableError, keyboard, Output, Reporter } from '../terminal/mod.ts';
import {
  askCredential,
  askNewPassword,
  hasSource,
  readCredentials,
  readOrMakeKeyFile,
} from './credentials.ts';
import { defaultLabel } from './label.ts';
import { isFolderLocation, openStore, repositoryExists, repositoryMissing } from './location.ts';
import { bothSpellings } from './own-paths.ts';
import { type EmbeddedPlace, embeddedPlace } from './places.ts';
import type { Settings } from './settings.ts';
import { makeStateFolder } from './state-folder.ts';

/** An open repository, and what an operation is given. */
export interface Opened {
  readonly repository: Repository;
  /** What it was opened with. */
  readonly credentials: readonly Credential[];
  readonly context: OperationContext;
}

/** A repository that was opened without a key. */
export interface OpenedStore {
  readonly store: ObjectStore;
  readonly context: StoreContext;
}

/** How often a password may be typed. */
const TRIES = 3;
/** For so long a repository that someone else is making is waited for. */
const MAKING_MS_MAX = 10_000;
const MAKING_LOOK_MS = 100;

/** One call of the command line: its settings, what it prints, and the repository that it opens. */
export class Run {
  readonly settings: Settings;
  /** Of the program. */
  readonly version: string;
  readonly output: Output;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
  readonly clock: Clock = systemClock;
  /** What the process will end with, unless it fails. */
  exitCode = 0;
  readonly #stores: ObjectStore[] = [];

  constructor(settings: Settings, version: string, signal: AbortSignal) {
    this.settings = settings;
    this.version = version;
    this.signal = signal;
    this.reporter = new Reporter({
      screen: process.stderr,
      clock: this.clock,
      json: settings.json,
      quiet: settings.quiet,
      status: (status) => this.output.json(status) ?? this.output.flush(),
    });
    this.output = new Output(process.stdout, () => this.reporter.clear());
  }

  /** The place of the embedded repository where no other is named. */
  get embedded(): EmbeddedPlace | undefined {
    return this.settings.location === undefined ? embeddedPlace(this.settings.environment) : undefined;
  }

  get location(): string {
    return this.settings.location ?? this.embedded!.repository;
  }

  /** What this program itself writes, and no backup should hold. */
  get ownPaths(): ByteString[] {
    const { sources, cacheFolder } = this.settings;
    const keyFiles = [sources.keyFile, this.embedded?.keyFile];
    const repository = isFolderLocation(this.location) ? this.location : undefined;
    return bothSpellings([repository, ...keyFiles, cacheFolder].filter((path) => path !== undefined));
  }

  /** Opens the repository; with `makeEmbedded` the embedded one is made on first use. */
  async open({ makeEmbedded = false } = {}): Promise<Opened> {
    const { embedded } = this;
    let store: ObjectStore;
    try {
      store = await this.store({ create: false });
      if (!(await Repository.exists(store))) throw repositoryMissing(this.location);
    } catch (error) {
      if (embedded === undefined || !makeEmbedded || !isEverfullError(error, 'repository-missing'))
        throw error;
      return this.#makeEmbedded(embedded);
    }
    const given = this.#givenCredentials();
    if (given.length > 0) return this.#opened(await Repository.open(store, given), given);
    return this.#openByKeyboard(store);
  }

  /** Opens the repository for what needs no key, and asks for none. */
  async openStore(): Promise<OpenedStore> {
    const store = await this.store({ create: false });
    if (!(await Repository.exists(store))) throw repositoryMissing(this.location);
    const config = await readConfig(store);
    return { store, context: { ...this.#contextOf(config.repositoryId), store, config } };
  }

  /** Opens the repository with the keys that flags and environment name; undefined where they name none. */
  async openUnasked(): Promise<Opened | undefined> {
    const given = this.#givenCredentials();
    if (given.length === 0) return undefined;
    return this.#opened(await Repository.open(await this.store({ create: false }), given), given);
  }

  /** The store at the named place, closed when the run ends. */
  async store(options: { readonly create: boolean }): Promise<ObjectStore> {
    const { limits, environment } = this.settings;
    const store = await openStore(this.location, { ...options, limits, environment });
    this.#stores.push(store);
    return store;
  }

  /**
   * Makes a repository at the named place, with the keys that the settings name, or a password from the
   * keyboard, and with the secrets of another one where that is given. Rejects with 'repository-exists' and 'no-password'.
   */
  async init(secretsOf?: Repository): Promise<Opened> {
    const { sources } = this.settings;
    const { embedded } = this;
    const store = await this.store({ create: true });
    // Before a key file is made that nothing would ever use.
    if (await Repository.exists(store)) throw repositoryExists(this.location);
    const keyFile =
      sources.keyFile ?? (embedded !== undefined && !hasSource(sources) ? embedded.keyFile : undefined);
    const credentials = readCredentials({ ...sources, keyFile: undefined });
    let keyFileMade = false;
    if (keyFile !== undefined) {
      const { credential, made } = readOrMakeKeyFile(keyFile);
      credentials.push(credential);
      keyFileMade = made;
    }
    if (credentials.length === 0) credentials.push(await askNewPassword(keyboard(this.signal)));
    const keys: NewKey[] = credentials.map((credential) => ({ credential, label: defaultLabel() }));
    const screen = process.stderr.isTTY || (process.stdout.isTTY && !this.settings.json);
    const recovery = keyFileMade && screen;
    const { repository, recoveryCode } = await init(store, { keys, recovery, clock: this.clock, secretsOf });
    if (keyFileMade)
      this.reporter.notice(
        `A key file was made: "${keyFile}". Whoever has it can read the backups; without it nobody can.`,
      );
    if (recoveryCode !== undefined) this.showRecoveryCode(recoveryCode);
    else if (keyFileMade) {
      this.reporter.warning(
        `if the key file "${keyFile}" is lost, so are the backups: make a recovery code with: everfull key add --recovery`,
      );
    }
    return this.#opened(repository, credentials);
  }

  /** The only time that anybody sees it. */
  showRecoveryCode(code: string): void {
    this.reporter.clear();
    (process.stderr.isTTY ? process.stderr : process.stdout).write(
      `\nRecovery code, shown only now. Write it down and keep it apart from this machine:\n\n    ${code}\n\n`,
    );
  }

  /** What a stage took, for those who measure: EVERFULL_PROFILE=1. */
  profile(stages: Readonly<Record<string, number>>): void {
    if (this.settings.environment.EVERFULL_PROFILE !== '1') return;
    this.reporter.clear();
    process.stderr.write(`${JSON.stringify({ message_type: 'profile', stages })}\n`);
  }

  /** Gives back what was opened. */
  async close(): Promise<void> {
    this.reporter.clear();
    await this.output.flush();
    for (const store of this.#stores.splice(0)) await store.close();
  }

  async #makeEmbedded(embedded: EmbeddedPlace): Promise<Opened> {
    try {
      const opened = await this.init();
      this.reporter.notice(`A repository was made: "${embedded.repository}".`);
      return opened;
    } catch (error) {
      if (!isEverfullError(error, 'repository-exists')) throw error;
    }
    // Another first use came before us, and may not be done.
    for (const start = this.clock.monotonic(); ; ) {
      try {
        return await this.open();
      } catch (error) {
        const waited = this.clock.monotonic() - start;
        if (!isEverfullError(error, 'repository-missing') || waited > MAKING_MS_MAX) throw error;
        await sleep(MAKING_LOOK_MS, undefined, { signal: this.signal });
      }
    }
  }

  /** What flags and environment name; for the embedded repository its own key, too, unless flags name another. */
  #givenCredentials(): Credential[] {
    const { sources, sourcesFromFlags } = this.settings;
    const given = readCredentials(sources);
    const { embedded } = this;
    if (embedded === undefined || sourcesFromFlags) return given;
    return existsSync(embedded.keyFile)
      ? [...given, ...readCredentials({ keyFile: embedded.keyFile })]
      : given;
  }

  async #openByKeyboard(store: ObjectStore): Promise<Opened> {
    for (let attempt = 1; ; attempt++) {
      const credentials = [await askCredential(keyboard(this.signal))];
      try {
        return this.#opened(await Repository.open(store, credentials), credentials);
      } catch (error) {
        if (!isEverfullError(error, 'wrong-password') || attempt === TRIES) throw error;
        this.reporter.warning('that does not open the repository, try again');
      }
    }
  }

  #opened(repository: Repository, credentials: readonly Credential[]): Opened {
    const context = { ...this.#contextOf(repository.config.repositoryId), repository };
    return { repository, credentials, context };
  }

  #contextOf(repositoryId: Uint8Array): Omit<OperationContext, 'repository'> {
    const { reporter, clock, signal } = this;
    return {
      clock,
      signal,
      stateFolder: this.#stateFolder(hexOf(repositoryId)),
      showsProgress: reporter.showsProgress,
      progress: (progress) => reporter.progress(progress),
      problem: (problem) => reporter.problem(problem),
      notice: (message) => reporter.notice(message),
    };
  }

  /** Without it everything works, more slowly. */
  #stateFolder(repositoryId: string): string | undefined {
    const { cacheFolder } = this.settings;
    if (cacheFolder === undefined) return undefined;
    try {
      return makeStateFolder(cacheFolder, repositoryId);
    } catch (error) {
      this.reporter.warning(`goes on without a cache, which takes longer: ${displayableError(error)}`);
      return undefined;
    }
  }
}

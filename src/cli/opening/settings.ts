import { resolve } from 'node:path';
import { EverfullError } from '../../base/mod.ts';
import { COMPRESSION_MODES, type CompressionMode } from '../../chunk/mod.ts';
import type { ThrottleOptions } from '../../store/mod.ts';
import { type CredentialSources, hasSource } from './credentials.ts';
import { defaultCacheFolder, type Environment } from './places.ts';
import { readTextFile } from './text-file.ts';

/** The flags that every verb takes, as the parser gives them. */
export interface GlobalFlags {
  readonly repo?: string;
  readonly repositoryFile?: string;
  readonly passwordFile?: string;
  readonly passwordCommand?: string;
  readonly keyFile?: string;
  readonly recoveryFile?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: number;
  readonly cacheDir?: string;
  /** False with `--no-cache`. */
  readonly cache?: boolean;
  readonly compression?: string;
  /** KiB/s. */
  readonly limitUpload?: string;
  readonly limitDownload?: string;
}

/** What flags and environment say together: a flag beats the environment. */
export interface Settings {
  /** As it was given; undefined for the embedded repository. */
  readonly location: string | undefined;
  readonly sources: CredentialSources;
  /** Whether the sources were named for this call, and not by the environment. */
  readonly sourcesFromFlags: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: number;
  /** For all repositories; undefined for none. */
  readonly cacheFolder: string | undefined;
  readonly compression: CompressionMode;
  /** What may pass to and from a repository. */
  readonly limits: ThrottleOptions;
  readonly environment: Environment;
}

/** Throws 'usage' for settings that contradict each other or have no meaning, 'io' for a file that cannot be read. */
export function settingsOf(flags: GlobalFlags, environment: Environment): Settings {
  const flagSources: CredentialSources = {
    passwordFile: flags.passwordFile,
    passwordCommand: flags.passwordCommand,
    password: undefined,
    keyFile: flags.keyFile,
    recoveryFile: flags.recoveryFile,
  };
  const sourcesFromFlags = hasSource(flagSources);
  const cacheFolder =
    flags.cache === false
      ? undefined
      : (flags.cacheDir ?? nonEmpty(environment.EVERFULL_CACHE_DIR) ?? defaultCacheFolder(environment));
  return {
    location: locationOf(flags, environment),
    sources: sourcesFromFlags
      ? flagSources
      : {
          passwordFile: nonEmpty(environment.EVERFULL_PASSWORD_FILE),
          passwordCommand: nonEmpty(environment.EVERFULL_PASSWORD_COMMAND),
          password: nonEmpty(environment.EVERFULL_PASSWORD),
          keyFile: nonEmpty(environment.EVERFULL_KEY_FILE),
          recoveryFile: undefined,
        },
    sourcesFromFlags,
    json: flags.json ?? false,
    quiet: flags.quiet ?? false,
    verbose: flags.verbose ?? 0,
    cacheFolder: cacheFolder === undefined ? undefined : resolve(cacheFolder),
    compression: compressionOf(flags.compression ?? nonEmpty(environment.EVERFULL_COMPRESSION) ?? 'auto'),
    limits: {
      ...(flags.limitUpload !== undefined && {
        uploadBytesPerSecond: rateOf('--limit-upload', flags.limitUpload),
      }),
      ...(flags.limitDownload !== undefined && {
        downloadBytesPerSecond: rateOf('--limit-download', flags.limitDownload),
      }),
    },
    environment,
  };
}

/** The flags that name the repository that is copied from. */
export interface SourceFlags {
  readonly fromRepo?: string;
  readonly fromRepositoryFile?: string;
  readonly fromPasswordFile?: string;
  readonly fromPasswordCommand?: string;
  readonly fromKeyFile?: string;
  readonly fromRecoveryFile?: string;
}

/**
 * The settings of a second repository, out of its own flags and the variables `EVERFULL_FROM_…`; all else is as
 * for the first. Throws like {@link settingsOf}, and 'usage' where no repository is named.
 */
export function sourceSettingsOf(flags: SourceFlags, first: Settings): Settings {
  const environment: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(first.environment))
    if (name.startsWith(FROM)) environment[`EVERFULL_${name.slice(FROM.length)}`] = value;
  const { location, sources, sourcesFromFlags } = settingsOf(
    {
      ...(flags.fromRepo !== undefined && { repo: flags.fromRepo }),
      ...(flags.fromRepositoryFile !== undefined && { repositoryFile: flags.fromRepositoryFile }),
      ...(flags.fromPasswordFile !== undefined && { passwordFile: flags.fromPasswordFile }),
      ...(flags.fromPasswordCommand !== undefined && { passwordCommand: flags.fromPasswordCommand }),
      ...(flags.fromKeyFile !== undefined && { keyFile: flags.fromKeyFile }),
      ...(flags.fromRecoveryFile !== undefined && { recoveryFile: flags.fromRecoveryFile }),
      cache: false,
    },
    environment,
  );
  if (location === undefined)
    throw new EverfullError('usage', 'Could not choose the repository to copy from: none is named', {
      advice: 'Use --from, or EVERFULL_FROM_REPOSITORY.',
    });
  return { ...first, location, sources, sourcesFromFlags };
}

const FROM = 'EVERFULL_FROM_';

function locationOf(flags: GlobalFlags, environment: Environment): string | undefined {
  if (flags.repo !== undefined && flags.repositoryFile !== undefined) {
    throw new EverfullError(
      'usage',
      'Could not choose a repository: both --repo and --repository-file name one',
      {
        advice: 'Give one of them.',
      },
    );
  }
  const file = flags.repositoryFile ?? nonEmpty(environment.EVERFULL_REPOSITORY_FILE);
  if (flags.repo !== undefined) return flags.repo;
  if (flags.repositoryFile === undefined) {
    const named = nonEmpty(environment.EVERFULL_REPOSITORY);
    if (named !== undefined) return named;
  }
  if (file === undefined) return undefined;
  const location = readTextFile(file, 'the repository file').trim();
  if (location === '')
    throw new EverfullError('usage', `Could not read the repository file "${file}": it is empty`);
  return location;
}

function compressionOf(text: string): CompressionMode {
  const mode = COMPRESSION_MODES.find((known) => known === text);
  if (mode !== undefined) return mode;
  throw new EverfullError(
    'usage',
    `Could not use the compression "${text}": not one of ${COMPRESSION_MODES.join(', ')}`,
  );
}

/** In bytes a second; `text` is in KiB, as restic has it. */
function rateOf(flag: string, text: string): number {
  const rate = /^\d{1,12}$/.test(text) ? Number(text) * 1024 : 0;
  if (rate > 0) return rate;
  throw new EverfullError('usage', `Could not use ${flag} "${text}": not a whole number of KiB/s above 0`);
}

/** A variable that is set to nothing counts as not set. */
function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

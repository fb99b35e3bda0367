import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { EverfullError, errnoOf } from '../../base/mod.ts';
import {
  type Credential,
  createKeyFileSecret,
  formatKeyFile,
  KEY_FILE_BYTES_MAX,
  parseKeyFile,
  parseRecoveryCode,
  SlotKind,
} from '../../crypto/mod.ts';
import { askSecret, type Keyboard } from '../terminal/mod.ts';
import { readTextFile } from './text-file.ts';

/** Where a password, key or recovery code comes from. A secret is never an argument. */
export interface CredentialSources {
  readonly passwordFile?: string | undefined;
  readonly passwordCommand?: string | undefined;
  readonly password?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly recoveryFile?: string | undefined;
}

/** Whether any source is named. */
export function hasSource(sources: CredentialSources): boolean {
  return Object.values(sources).some((source) => source !== undefined);
}

/** How a file system says that it has no hard links. */
const NO_HARD_LINKS = ['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS'];

const NO_PASSWORD_ADVICE =
  'Use --password-file, --password-command, --key-file or --recovery-file, or EVERFULL_PASSWORD and its like.';

/**
 * What the sources hold; empty where none is named. Two ways to give a password are a contradiction:
 * 'usage'. Throws 'io' for a file that cannot be read, 'no-password' for an empty one or a command
 * that fails, 'wrong-password' for a key file or recovery code with mistakes.
 */
export function readCredentials(sources: CredentialSources): Credential[] {
  const credentials: Credential[] = [];
  if (sources.keyFile !== undefined) credentials.push(readKeyFile(sources.keyFile));
  if (sources.recoveryFile !== undefined) {
    const code = readTextFile(sources.recoveryFile, 'the recovery file');
    credentials.push({ kind: SlotKind.recovery, secret: parseRecoveryCode(code) });
  }
  const password = readPassword(sources);
  if (password !== undefined) credentials.push(passphrase(password));
  return credentials;
}

function readPassword({ passwordFile, passwordCommand, password }: CredentialSources): string | undefined {
  const given = [passwordFile, passwordCommand, password].filter((source) => source !== undefined);
  if (given.length > 1) {
    throw new EverfullError('usage', 'Could not choose a password: it is given in more than one way', {
      advice: 'Give only one of password file, password command and EVERFULL_PASSWORD.',
    });
  }
  if (passwordFile !== undefined) {
    return notEmpty(
      readTextFile(passwordFile, 'the password file').trim(),
      `the password file "${passwordFile}"`,
    );
  }
  if (passwordCommand !== undefined) {
    return notEmpty(outputOf(passwordCommand).trim(), `the password command "${passwordCommand}"`);
  }
  return password;
}

function outputOf(command: string): string {
  const { status, signal, error, stdout } = spawnSync('/bin/sh', ['-c', command], {
    stdio: ['inherit', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (status === 0) return stdout;
  const state = error?.message ?? (signal === null ? `it ended with ${status}` : `it was ended by ${signal}`);
  throw new EverfullError('no-password', `Could not run the password command "${command}": ${state}`, {
    advice: NO_PASSWORD_ADVICE,
  });
}

function notEmpty(password: string, where: string): string {
  if (password === '')
    throw new EverfullError('no-password', `Could not read a password from ${where}: it is empty`);
  return password;
}

export function passphrase(text: string): Credential {
  return { kind: SlotKind.passphrase, secret: Buffer.from(text, 'utf8') };
}

/** Asks for a password, or a recovery code in its place. Rejects as `askSecret` does, or 'no-password' without a keyboard. */
export async function askCredential(keyboard: Keyboard | undefined): Promise<Credential> {
  if (keyboard === undefined) {
    throw new EverfullError('no-password', 'Could not open the repository: no password or key was given', {
      advice: NO_PASSWORD_ADVICE,
    });
  }
  const typed = await askSecret('password or recovery code of the repository: ', keyboard);
  const looksLikeCode = /^\s*[0-9a-z]{5}([\s-]+[0-9a-z]{5}){8}\s*$/i.test(typed);
  return looksLikeCode
    ? { kind: SlotKind.recovery, secret: parseRecoveryCode(typed) }
    : passphrase(notEmpty(typed, 'the keyboard'));
}

/** Asks for a new password, twice. */
export async function askNewPassword(keyboard: Keyboard | undefined): Promise<Credential> {
  if (keyboard === undefined) {
    throw new EverfullError('no-password', 'Could not make a key: no password or key file was given', {
      advice: NO_PASSWORD_ADVICE,
    });
  }
  const password = notEmpty(await askSecret('new password: ', keyboard), 'the keyboard');
  if ((await askSecret('the same again: ', keyboard)) === password) return passphrase(password);
  throw new EverfullError('no-password', 'Could not use the new password: the two were not the same');
}

function readKeyFile(path: string): Credential {
  let content: Uint8Array;
  try {
    content = readFileSync(path);
  } catch (cause) {
    throw new EverfullError('io', `Could not read the key file "${path}"`, {
      cause,
      advice: 'Check its path and its permissions; if it is lost, use another key or the recovery code.',
    });
  }
  return { kind: SlotKind.keyFile, secret: parseKeyFile(content.subarray(0, KEY_FILE_BYTES_MAX + 1)) };
}

/**
 * The key in the file `path`, which is made (0600, durable, whole or not at all) where it does not exist.
 * Of two that make it at once, both get the same key.
 */
export function readOrMakeKeyFile(path: string): { readonly credential: Credential; readonly made: boolean } {
  const made = !existsSync(path) && makeKeyFile(path);
  return { credential: readKeyFile(path), made };
}

function makeKeyFile(path: string): boolean {
  const folder = dirname(path);
  const temporary = `${path}.${process.pid}.new`;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const file = openSync(temporary, 'wx', 0o600);
    try {
      writeSync(file, formatKeyFile(createKeyFileSecret()));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    try {
      linkSync(temporary, path);
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return false;
      // A USB stick has no hard links; nobody else makes a key on it just now.
      if (!NO_HARD_LINKS.includes(errnoOf(error) ?? '')) throw error;
      renameSync(temporary, path);
    } finally {
      rmSync(temporary, { force: true });
    }
    syncFolder(folder);
    return true;
  } catch (cause) {
    throw new EverfullError('io', `Could not make the key file "${path}"`, { cause });
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

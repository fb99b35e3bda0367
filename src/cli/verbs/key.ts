import type { Command } from 'commander';
import { EverfullError } from '../../base/mod.ts';
import { type Credential, SlotKind } from '../../crypto/mod.ts';
import {
  type KeySlot,
  listKeys,
  loadRotateKeys,
  newRecoveryCode,
  RECOVERY_LABEL,
  removeKey,
  replaceKey,
} from '../../operations/mod.ts';
import {
  askNewPassword,
  defaultLabel,
  type Run,
  readCredentials,
  readOrMakeKeyFile,
} from '../opening/mod.ts';
import { escapeText, keyboard, tableLines } from '../terminal/mod.ts';
import { formatTime } from './format.ts';
import { failAfterProblems } from './image-options.ts';
import { type Begin, collect } from './verb.ts';

interface NewKeyFlags {
  readonly label?: string;
  readonly newPasswordFile?: string;
  readonly newPasswordCommand?: string;
  readonly newKeyFile?: string;
  readonly recovery?: boolean;
}

interface RotateFlags {
  readonly alsoPasswordFile?: string[];
  readonly alsoPasswordCommand?: string[];
  readonly alsoKeyFile?: string[];
  readonly alsoRecoveryFile?: string[];
  readonly yes?: boolean;
}

const KIND_NAMES: Readonly<Record<SlotKind, string>> = {
  [SlotKind.passphrase]: 'password',
  [SlotKind.keyFile]: 'key file',
  [SlotKind.recovery]: 'recovery code',
};

const HELP = `
A repository opens with any of its keys. Removing one does not change what is stored: whoever copied the
repository while it was there can still open that copy. After a password or key file was stolen, replace it
(key passwd), then rotate: what is written from then on is out of reach of who copied the old keys.

Examples:
  $ everfull -r /srv/backup key list
  $ everfull -r /srv/backup key add --label "on paper" --recovery
  $ everfull -r /srv/backup key add --label laptop --new-key-file ~/backup.key
  $ everfull -r /srv/backup key passwd
  $ everfull -r /srv/backup key remove 1f3a
  $ everfull -r /srv/backup key rotate --also-recovery-file code.txt`;

const ROTATE_HELP = `
Every key opens one and the same inner key, which seals all others. A rotation makes a new one and seals
everything with it; no stored data is read or written. Keys stay whose secrets are given: the one that the
repository is opened with, and those of --also-…. Others are removed, which needs --yes.

It may be interrupted at any time: run it again. Backups and restores that run meanwhile may end with an error;
run them again, too.`;

export function define(command: Command, begin: Begin): void {
  command.helpCommand(false).addHelpText('after', HELP);
  withNewKeyOptions(command.command('add').description('add a key'))
    .option('--recovery', 'make a recovery code and show it once')
    .action(async (flags: NewKeyFlags, add: Command) => addKey(begin(add), flags));
  command
    .command('list')
    .description('list the keys; the one in use is marked with *')
    .action(async (_flags: object, list: Command) => printKeys(begin(list)));
  command
    .command('remove')
    .description('remove a key')
    .argument('<id>', 'the beginning of its id')
    .action(async (id: string, _flags: object, remove: Command) => {
      const run = begin(remove);
      const { repository, credentials } = await run.open();
      const slot = await removeKey(repository.store, credentials, id);
      if (run.settings.json) run.output.json({ message_type: 'key_removed', id: slot.id });
      else if (!run.settings.quiet) run.output.line(`removed key ${slot.id}`);
    });
  command
    .command('rotate')
    .description('put a new inner key in the place of the one that all keys open')
    .option('--also-password-file <file>', 'a password that is to stay; may be repeated', collectText)
    .option('--also-password-command <command>', 'a command that prints one', collectText)
    .option('--also-key-file <file>', 'a key file that is to stay', collectText)
    .option('--also-recovery-file <file>', 'a recovery code that is to stay', collectText)
    .option('-y, --yes', 'remove the keys whose secrets are not given')
    .addHelpText('after', ROTATE_HELP)
    .action(async (flags: RotateFlags, rotate: Command) => rotateKeys(begin(rotate), flags));
  withNewKeyOptions(command.command('passwd').description('replace the key in use by another')).action(
    async (flags: NewKeyFlags, passwd: Command) => changeKey(begin(passwd), flags),
  );
}

function withNewKeyOptions(command: Command): Command {
  return command
    .option('--label <text>', 'what the key is called; user@host unless given')
    .option('--new-password-file <file>', 'read the new password from a file')
    .option('--new-password-command <command>', 'take the output of a command as the new password')
    .option('--new-key-file <file>', 'use a key file; it is made where it does not exist');
}

const collectText = (text: string, earlier?: string[]) => collect(text, earlier);

async function rotateKeys(run: Run, flags: RotateFlags): Promise<void> {
  const also = [
    ...(flags.alsoPasswordFile ?? []).map((passwordFile) => ({ passwordFile })),
    ...(flags.alsoPasswordCommand ?? []).map((passwordCommand) => ({ passwordCommand })),
    ...(flags.alsoKeyFile ?? []).map((keyFile) => ({ keyFile })),
    ...(flags.alsoRecoveryFile ?? []).map((recoveryFile) => ({ recoveryFile })),
  ].flatMap(readCredentials);
  const [{ context, credentials }, { rotate }] = await Promise.all([run.open(), loadRotateKeys()]);
  const { kept, removed, rewrapped } = await rotate(context, {
    credentials,
    also,
    dropOthers: flags.yes ?? false,
  });
  failAfterProblems(run);
  if (run.settings.json) {
    const keys = kept.map(({ before, id }) => ({ id, before: before.id }));
    run.output.json({ message_type: 'key_rotated', kept: keys, removed, rewrapped });
    return;
  }
  if (run.settings.quiet) return;
  for (const { before, id } of kept)
    run.output.line(`key ${before.id} is now ${id}  ${escapeText(before.description?.label ?? '')}`);
  for (const id of removed) run.output.line(`removed key ${id}`);
  run.output.line(`sealed ${rewrapped} ${rewrapped === 1 ? 'object' : 'objects'} anew`);
}

async function addKey(run: Run, flags: NewKeyFlags): Promise<void> {
  const { repository } = await run.open();
  if (flags.recovery) {
    // Nothing else must see the code: it goes to a screen, or to who asked for it in so many words.
    const code = newRecoveryCode();
    const id = await repository.addSlot(code.credential, flags.label ?? RECOVERY_LABEL, { clock: run.clock });
    if (run.settings.json)
      run.output.json({ message_type: 'key_added', id: id.toString('hex'), recovery_code: code.text });
    else if (process.stderr.isTTY || process.stdout.isTTY) run.showRecoveryCode(code.text);
    else run.output.line(code.text);
    return;
  }
  const credential = await newCredential(run, flags);
  printAdded(
    run,
    (await repository.addSlot(credential, flags.label ?? defaultLabel(), { clock: run.clock })).toString(
      'hex',
    ),
  );
}

async function changeKey(run: Run, flags: NewKeyFlags): Promise<void> {
  const { repository, credentials } = await run.open();
  const credential = await newCredential(run, flags);
  printAdded(
    run,
    await replaceKey(repository, credentials, { credential, label: flags.label, clock: run.clock }),
  );
}

function printAdded(run: Run, id: string): void {
  if (run.settings.json) run.output.json({ message_type: 'key_added', id });
  else if (!run.settings.quiet) run.output.line(`saved new key ${id}`);
}

async function newCredential(run: Run, flags: NewKeyFlags): Promise<Credential> {
  if (flags.newKeyFile !== undefined) {
    if (flags.newPasswordFile !== undefined || flags.newPasswordCommand !== undefined) {
      throw new EverfullError(
        'usage',
        'Could not choose the new key: both a password and a key file are given',
        {
          advice: 'Add them one after the other.',
        },
      );
    }
    return readOrMakeKeyFile(flags.newKeyFile).credential;
  }
  const [given] = readCredentials({
    passwordFile: flags.newPasswordFile,
    passwordCommand: flags.newPasswordCommand,
  });
  return given ?? askNewPassword(keyboard(run.signal));
}

async function printKeys(run: Run): Promise<void> {
  const { repository, credentials } = await run.open();
  const slots = await listKeys(repository.store, credentials);
  for (const { id, damage } of slots) {
    if (damage !== undefined) run.reporter.problem({ item: `key ${id}`, during: 'list', error: damage });
  }
  if (run.settings.json) {
    run.output.json(slots.map(slotJson));
    return;
  }
  const rows = slots.map(({ id, description, current }) => [
    `${current ? '*' : ' '}${id}`,
    description === undefined ? 'damaged' : KIND_NAMES[description.kind],
    escapeText(description?.label ?? ''),
    description === undefined ? '' : formatTime(description.created),
  ]);
  const titles = [' ID', 'Kind', 'Label', 'Created'].map((title) => ({ title }));
  for (const line of tableLines(titles, rows)) run.output.line(line);
}

/** restic's names; its two for the owner come from a label `user@host`. */
function slotJson({ id, description, current }: KeySlot): object {
  const [, userName = '', hostName = ''] = /^([^@]*)@([^@]*)$/.exec(description?.label ?? '') ?? [];
  return {
    current,
    id,
    userName,
    hostName,
    created: description === undefined ? '' : formatTime(description.created),
    kind: description === undefined ? 'damaged' : KIND_NAMES[description.kind].replace(' ', '_'),
    label: description?.label ?? '',
  };
}

import type { Command } from 'commander';
import { EverfullError } from '../../base/mod.ts';
import { type Credential, SlotKind } from '../../crypto/mod.ts';
import {
  type KeySlot,
  listKeys,
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
import type { Begin } from './verb.ts';

interface NewKeyFlags {
  readonly label?: string;
  readonly newPasswordFile?: string;
  readonly newPasswordCommand?: string;
  readonly newKeyFile?: string;
  readonly recovery?: boolean;
}

const KIND_NAMES: Readonly<Record<SlotKind, string>> = {
  [SlotKind.passphrase]: 'password',
  [SlotKind.keyFile]: 'key file',
  [SlotKind.recovery]: 'recovery code',
};

const HELP = `
A repository opens with any of its keys. Removing one does not change what is stored: whoever copied the
repository while it was there can still open that copy.

Examples:
  $ everfull -r /srv/backup key list
  $ everfull -r /srv/backup key add --label "on paper" --recovery
  $ everfull -r /srv/backup key add --label laptop --new-key-file ~/backup.key
  $ everfull -r /srv/backup key passwd
  $ everfull -r /srv/backup key remove 1f3a`;

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

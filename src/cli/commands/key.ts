import { routes } from '../../daemon/api/routes.ts';
import { KelpieError } from '../../base/errors.ts';
import { isSet, textOption } from '../command.ts';
import type { CommandGroup } from '../command.ts';
import type { KeysView } from '../../daemon/api/keys.ts';

export const key: CommandGroup = {
  members: {
    init: {
      summary: 'make this host’s keys: to read encrypted stores, and to sign',
      declare: (command) => {
        command.option('--sign', 'also a key to sign what this host publishes with').addHelpText(
          'after',
          `
Makes what is not there yet and overwrites nothing. The private keys stay in KELPIE_HOME/keys; what is printed is public, and is what you
give to others. Who has a copy of the private ones can read every store that this host can.

Examples:
  kelpie key init
  kelpie key init --sign`,
        );
      },
      run: async (cli, _args, options) => {
        const keys = await cli.call(routes.keyInit, { body: { sign: isSet(options, 'sign') } });
        await cli.output.result(keys, describe(keys));
        return 0;
      },
    },
    show: {
      summary: 'public keys of this host, and whom it trusts; never secrets',
      declare: (command) => {
        command.addHelpText('after', '\nExamples:\n  kelpie key show\n  kelpie key show --json');
      },
      run: async (cli) => {
        const keys = await cli.call(routes.keyShow);
        await cli.output.result(keys, describe(keys));
        return 0;
      },
    },
    trust: {
      summary: 'say whose signed packages and stores this host takes',
      declare: (command) => {
        command
          .argument('<publickey>', 'ed25519:…, as `kelpie key show` prints it on the host that signs')
          .option('--note <text>', 'whose it is')
          .option('--remove', 'trust it no longer')
          .addHelpText(
            'after',
            `
From the first key on, this host restores only packages, and opens only encrypted stores, that a key of its list has signed; its own key is put
on a new list. A list that has become empty trusts nobody: to trust everybody again, remove KELPIE_HOME/keys/trusted.txt.

Examples:
  kelpie key trust ed25519:8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c --note "Ada's laptop"
  kelpie key trust --remove ed25519:8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c`,
          );
      },
      run: async (cli, [publicKey = ''], options) => {
        const note = textOption(options, 'note');
        const isRemoved = isSet(options, 'remove');
        if (isRemoved && note !== null)
          throw new KelpieError(
            'usage',
            '--note says whose a key is that is trusted; --remove takes it away.',
          );
        const keys = isRemoved
          ? await cli.call(routes.keyDistrust, { body: { publicKey } })
          : await cli.call(routes.keyTrust, { body: { publicKey, note: note ?? '' } });
        await cli.output.result(keys, describe(keys));
        return 0;
      },
    },
  },
};

function describe({ recipients, signingKey, trusted }: KeysView): string {
  const noRecipient = 'none: kelpie key init makes one, to read encrypted stores with';
  const lines: readonly (readonly [string, string])[] = [
    ...named('recipient', recipients.length === 0 ? [noRecipient] : recipients),
    ['signs with', signingKey ?? 'nothing: kelpie key init --sign makes a key'],
    ...named('trusts', trustedTexts(trusted, signingKey)),
  ];
  return lines.map(([name, text]) => `${name.padEnd(10)}   ${text}`).join('\n');
}

/** The name stands before the first. */
function named(name: string, texts: readonly string[]): readonly (readonly [string, string])[] {
  return texts.map((text, index) => [index === 0 ? name : '', text]);
}

function trustedTexts(trusted: KeysView['trusted'], signingKey: string | null): readonly string[] {
  if (trusted === null) return ['everybody: kelpie key trust makes a list of whom'];
  const listed = trusted.map(({ publicKey, note }) => `${publicKey} ${note}`.trimEnd());
  if (signingKey !== null && trusted.some(({ publicKey }) => publicKey === signingKey)) return listed;
  const own =
    signingKey === null
      ? 'nothing of its own: this host does not sign (kelpie key init --sign)'
      : `nothing of its own: kelpie key trust ${signingKey}`;
  return [...(listed.length === 0 ? ['nobody'] : listed), own];
}

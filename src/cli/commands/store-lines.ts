/** A store told to people. */
import { signatureText } from '../seal-text.ts';
import type { StoreKeysView, StoreView } from '../../daemon/api/stores.ts';

/** One line for each. */
export function recipientLines(recipients: StoreKeysView['recipients']): readonly string[] {
  return recipients.map(({ recipient, isThisHost }) => `  ${recipient}${isThisHost ? ' (this host)' : ''}`);
}

/** Said when this host shut itself out. */
export function outsideLines({ recipients }: Pick<StoreKeysView, 'recipients'>): readonly string[] {
  return recipients.some(({ isThisHost }) => isThisHost)
    ? []
    : ['this host is not one of them: it can neither read it nor publish there'];
}

export function describeStore(view: StoreView): string {
  const lines = [`store       ${view.storeUrl}`];
  if (view.storeId === null) {
    lines.push(
      'none yet: the first teleport makes a plain store; kelpie store init makes an encrypted one before that',
    );
  } else {
    lines.push(
      `id          ${view.storeId}`,
      `format      ${view.formatVersion ?? '?'}`,
      `packages    ${view.packages}`,
      ...encryptionLines(view),
    );
  }
  if (view.trouble !== null) lines.push(`trouble     ${view.trouble}`);
  return lines.join('\n');
}

function encryptionLines({ encryption }: StoreView): readonly string[] {
  if (encryption === null) return ['encrypted   no: whoever reads the store can read its packages'];
  const { recipients, keyIds, revision, signedBy } = encryption;
  return [
    `encrypted   yes, for ${recipients.length} (revision ${revision} of the list, ${signatureText(signedBy)})`,
    ...recipientLines(recipients),
    `keys        ${keyIds.join(' ')}${keyIds.length > 1 ? '; the last seals what is new' : ''}`,
  ];
}

/** `/etc/pam.d/common-*` as `pam-auth-update` writes them where pam_unix is the only profile. */
import { utf8 } from '../../base/bytes.ts';
import type { OwnEntry } from './root-tree.ts';

const stacks: Readonly<Record<string, string>> = {
  account: 'account\t[success=1 new_authtok_reqd=done default=ignore]\tpam_unix.so',
  auth: 'auth\t[success=1 default=ignore]\tpam_unix.so nullok',
  password: 'password\t[success=1 default=ignore]\tpam_unix.so obscure yescrypt',
};

export function pamFiles(): readonly OwnEntry[] {
  const decided = Object.entries(stacks).map(([type, first]): OwnEntry => {
    return commonFile(type, [first, `${type}\trequisite\tpam_deny.so`, `${type}\trequired\tpam_permit.so`]);
  });
  const sessions = ['session', 'session-noninteractive'].map((name): OwnEntry => {
    return commonFile(name, [
      'session\t[default=1]\tpam_permit.so',
      'session\trequisite\tpam_deny.so',
      'session\trequired\tpam_permit.so',
      'session\trequired\tpam_unix.so',
    ]);
  });
  return [...decided, ...sessions];
}

function commonFile(name: string, lines: readonly string[]): OwnEntry {
  return { kind: 'file', path: `etc/pam.d/common-${name}`, content: utf8(`${lines.join('\n')}\n`) };
}

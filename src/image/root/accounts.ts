/** `/etc/passwd` and its kin, from the masters that base-passwd ships. No account has a password. */
import { utf8 } from '../../base/bytes.ts';
import type { OwnEntry } from './root-tree.ts';

/** Debian's reserved number of the account that apt fetches with; newer base-passwd has it already. */
const aptAccount = '_apt:x:42:65534::/nonexistent:/usr/sbin/nologin';
const SHADOW_GROUP = 42;
/** Days since 1970 when passwords were last changed: any fixed day in the past will do. */
const SHADOW_DAY = 19_000;

export function accountFiles(passwdMaster: string, groupMaster: string): readonly OwnEntry[] {
  const passwd = withShadowMark(passwdMaster);
  if (!passwd.some((line) => line.startsWith('_apt:'))) passwd.push(aptAccount);
  const group = withShadowMark(groupMaster);
  const shadow = passwd.map((line) => `${firstField(line)}:*:${SHADOW_DAY}:0:99999:7:::`);
  const gshadow = group.map((line) => `${firstField(line)}:*::${line.split(':')[3] ?? ''}`);
  const hidden = { mode: 0o640, gid: SHADOW_GROUP } as const;
  return [
    { kind: 'file', path: 'etc/passwd', content: lines(passwd) },
    { kind: 'file', path: 'etc/group', content: lines(group) },
    { kind: 'file', path: 'etc/shadow', content: lines(shadow), ...hidden },
    { kind: 'file', path: 'etc/gshadow', content: lines(gshadow), ...hidden },
    { kind: 'file', path: 'etc/subuid', content: utf8('') },
    { kind: 'file', path: 'etc/subgid', content: utf8('') },
  ];
}

/** The master's lines, with `x` for "the password is in the shadow file" in the second field. */
function withShadowMark(master: string): string[] {
  const kept = master.split('\n').filter((line) => line !== '');
  return kept.map((line) => line.replace(/^([^:]*):[^:]*:/, '$1:x:'));
}

function firstField(line: string): string {
  return line.slice(0, line.indexOf(':'));
}

function lines(all: readonly string[]): ReturnType<typeof utf8> {
  return utf8(`${all.join('\n')}\n`);
}

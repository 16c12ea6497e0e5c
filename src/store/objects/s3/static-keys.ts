/** Keys that a person has written down: in variables, in a profile. */
import type { Host } from '../../../env/host.ts';
import type { Credentials } from './credentials.ts';

/** @param valueOf of a setting by the name that it has in profiles. @returns null when an id or a secret is missing. */
export function credentialsOf(valueOf: (name: string) => string | null): Credentials | null {
  const accessKeyId = valueOf('aws_access_key_id');
  const secretAccessKey = valueOf('aws_secret_access_key');
  const sessionToken = valueOf('aws_session_token');
  if (accessKeyId === null || secretAccessKey === null || accessKeyId === '' || secretAccessKey === '')
    return null;
  return {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === null || sessionToken === '' ? {} : { sessionToken }),
  };
}

export function variableKeys(host: Pick<Host, 'variable'>): Credentials | null {
  return credentialsOf((name) => host.variable(name.toUpperCase()));
}

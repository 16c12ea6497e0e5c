/**
 * The keys that a profile of a person leads to. A profile that names a role leads on, to the profile (or place) whose keys may take it:
 *
 *     role_arn + web_identity_token_file                  a token vouches
 *     role_arn + source_profile | credential_source       keys from there take the role
 *     aws_access_key_id …                                  these
 *     sso_account_id …                                     single sign-on
 *     credential_process                                   a program
 */
import { profileName, readAwsProfile, readSignOnSession } from '../aws-profile.ts';
import type { AwsProfile } from '../aws-profile.ts';
import { credentialsOf, variableKeys } from '../static-keys.ts';
import type { Credentials } from '../credentials.ts';
import { REGION_DEFAULT, isRegion, wantedRegion } from '../region.ts';
import type { SourceEnv } from './ask.ts';
import { containerKeys } from './container-keys.ts';
import { instanceKeys } from './instance-keys.ts';
import { processKeys } from './process-keys.ts';
import { keysByToken, keysOfRole } from './role-keys.ts';
import type { Role } from './role-keys.ts';
import { signOnKeys } from './sign-on-keys.ts';
import { noKeys } from './temporary-keys.ts';

/** A role that takes a role that takes a role. */
const PROFILE_STEPS_MAX = 5;

/** Null when the profile says nothing of keys. @throws StoreTrouble `no_credentials`, `unavailable`; KelpieError `io_failed`. */
export async function profileKeys(env: SourceEnv): Promise<Credentials | null> {
  return await keysOfProfile(env, profileName(env.host), 1);
}

async function keysOfProfile(env: SourceEnv, name: string, step: number): Promise<Credentials | null> {
  const profile = await readAwsProfile(env, name);
  const roleArn = profile.get('role_arn');
  if (roleArn !== undefined) return await keysOfRoleIn(env, profile, { name, roleArn, step });
  return await keysWithoutRole(env, profile);
}

async function keysWithoutRole(env: SourceEnv, profile: AwsProfile): Promise<Credentials | null> {
  const fixed = credentialsOf((setting) => profile.get(setting) ?? null);
  if (fixed !== null) return fixed;
  const session = profile.get('sso_session');
  if (session !== undefined) return await signOnKeys(env, profile, await readSignOnSession(env, session));
  if (profile.has('sso_start_url')) return await signOnKeys(env, profile, profile);
  const line = profile.get('credential_process');
  return line === undefined ? null : await processKeys(env, line);
}

interface RoleStep {
  readonly name: string;
  readonly roleArn: string;
  readonly step: number;
}

async function keysOfRoleIn(
  env: SourceEnv,
  profile: AwsProfile,
  { name, roleArn, step }: RoleStep,
): Promise<Credentials> {
  if (profile.has('mfa_serial'))
    throw noKeys(
      `the profile ${name} needs a code of a second factor, which nobody is asked for here: use aws configure export-credentials`,
    );
  if (step > PROFILE_STEPS_MAX) throw noKeys(`the profile ${name} goes through too many others`);
  const role: Role = {
    arn: roleArn,
    region: regionOf(env, profile),
    sessionName: profile.get('role_session_name') ?? null,
    externalId: profile.get('external_id'),
    durationSeconds: profile.get('duration_seconds'),
  };
  const tokenFile = profile.get('web_identity_token_file');
  if (tokenFile !== undefined) return await keysByToken(env, role, tokenFile);
  const [source, place] = [profile.get('source_profile'), profile.get('credential_source')];
  const by =
    source === undefined
      ? await keysOfPlace(env, place)
      : await keysOfSource(env, profile, { name, source, step });
  if (by !== null) return await keysOfRole(env, role, by);
  throw noKeys(`the profile ${name} takes a role, and its source_profile or credential_source has no keys`);
}

async function keysOfSource(
  env: SourceEnv,
  profile: AwsProfile,
  { name, source, step }: { readonly name: string; readonly source: string; readonly step: number },
): Promise<Credentials | null> {
  // One that names itself means its own keys.
  return source === name ? await keysWithoutRole(env, profile) : await keysOfProfile(env, source, step + 1);
}

async function keysOfPlace(env: SourceEnv, place: string | undefined): Promise<Credentials | null> {
  if (place === 'Environment') return variableKeys(env.host);
  if (place === 'EcsContainer') return await containerKeys(env);
  if (place === 'Ec2InstanceMetadata') return await instanceKeys(env);
  return null;
}

/** The region of the role service. */
export function regionOf({ host }: Pick<SourceEnv, 'host'>, profile: AwsProfile): string {
  const region = wantedRegion(host, profile);
  return region !== undefined && isRegion(region) ? region : REGION_DEFAULT;
}

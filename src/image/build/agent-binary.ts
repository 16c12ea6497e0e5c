/** The guest agent that goes into an image. */
import { fromUtf8Lossy } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { isThere } from '../../env/is-there.ts';
import { AGENT_BYTES_MAX } from '../limits.ts';
import { runTool } from './tool.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { Env } from '../../env/env.ts';
import type { Architecture } from '../../snapshot/metadata.ts';

export interface AgentBinary {
  readonly content: Bytes;
  readonly version: string;
}

/**
 * Reads the agent, which is built first where its sources are; an installed package may have only the binary.
 * @param sourceDirectory `guest-agent` of this project.
 */
export async function readAgent(
  env: Env,
  sourceDirectory: string,
  architecture: Architecture,
  signal: AbortSignal,
): Promise<AgentBinary> {
  if (await isThere(env.files, `${sourceDirectory}/Makefile`)) {
    await runTool(env, {
      command: 'make',
      args: ['--no-print-directory', '-C', sourceDirectory, architecture],
      signal,
    });
  }
  const path = `${sourceDirectory}/build/kelpie-agent-${architecture}`;
  if (!(await isThere(env.files, path))) {
    throw new KelpieError(
      'image_build_failed',
      `There is no guest agent for ${architecture}: ${path} is missing.`,
    );
  }
  const content = await env.files.readFile(path, AGENT_BYTES_MAX);
  return { content, version: agentVersion(content) };
}

/** The binary names itself, so that an agent for another architecture need not be run. */
export function agentVersion(content: Bytes): string {
  const version = /kelpie-agent\/(\d+\.\d+\.\d+)/.exec(fromUtf8Lossy(content))?.[1];
  if (version === undefined)
    throw new KelpieError('image_build_failed', 'The guest agent does not name its version.');
  return version;
}

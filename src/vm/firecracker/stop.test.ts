import assert from 'node:assert/strict';
import test from 'node:test';
import { KelpieError } from '../../base/errors.ts';
import { createNodeEnv } from '../../env/node/env.ts';
import type { ExitStatus } from '../../env/processes.ts';
import type { Architecture } from '../../snapshot/metadata.ts';
import { exampleConfig } from '../../../test/support/example-vm.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { ScriptedHttp } from '../../../test/support/scripted-http.ts';
import { AgentLink } from '../agent-link.ts';
import { FirecrackerApi } from './api/client.ts';
import { endProcess } from './stop.ts';

const TICK_MS = 500;
const TICKS_MAX = 1000;

/** How a VM ends whose agent answers nobody. @param hearsKeys its guest turns itself off when they are pressed. */
async function ladder(
  architecture: Architecture,
  { hearsKeys }: { readonly hearsKeys: boolean },
): Promise<readonly string[]> {
  const steps: string[] = [];
  const clock = new ManualClock();
  const ended = Promise.withResolvers<ExitStatus | null>();
  const http = new ScriptedHttp(async ({ body }) => {
    steps.push(JSON.stringify(body));
    if (hearsKeys) ended.resolve(null);
    return { status: 204 };
  });
  const env = { ...createNodeEnv(), clock, http };
  const link = new AgentLink(env, () =>
    Promise.reject(new KelpieError('guest_unreachable', 'nobody is there.')),
  );
  const process = {
    api: new FirecrackerApi(env, '/run/api.sock'),
    identity: { pid: 1, startedAt: '0' },
    ended: ended.promise,
    hasEnded: () => false,
    end: async () => void steps.push('kill'),
  };
  const config = { ...exampleConfig, architecture };
  const over = new AbortController();
  const ending = endProcess({ env, config }, { process, link }, 'guest').finally(() => over.abort());
  for (let tick = 0; !over.signal.aborted && tick < TICKS_MAX; tick += 1) await clock.advance(TICK_MS);
  await ending;
  return steps;
}

const keys = JSON.stringify({ action_type: 'SendCtrlAltDel' });

test('a guest whose agent does not answer gets Ctrl-Alt-Del, then its Firecracker is killed', async () => {
  assert.deepEqual(await ladder('x86_64', { hearsKeys: true }), [keys]);
  assert.deepEqual(await ladder('x86_64', { hearsKeys: false }), [keys, 'kill']);
});

test('there is no keyboard on arm64', async () => {
  assert.deepEqual(await ladder('arm64', { hearsKeys: true }), ['kill']);
});

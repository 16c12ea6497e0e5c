import assert from 'node:assert/strict';
import test from 'node:test';
import { memoryTerminal } from '../../test/support/memory-terminal.ts';
import { utf8 } from '../base/bytes.ts';
import { KelpieError } from '../base/errors.ts';
import { Output } from './output.ts';
import { teleportOrAsk } from './teleport-or-ask.ts';

const why = 'cannot teleport "dev" to cloud: it is another machine.';
const body = { storeUrl: '/store', forHost: 'cloud' };

interface Told {
  readonly bodies: readonly unknown[];
  readonly errors: string;
  readonly refusal: string | null;
}

/** What a person sees and sends whose daemon refuses, unless a checkpoint is allowed. */
async function told(
  input: string,
  { isTty = true, isJson = false, code = 'teleport_incompatible' } = {},
): Promise<Told> {
  const { terminal, errors } = memoryTerminal({ isTty, input: [utf8(input)] });
  const bodies: unknown[] = [];
  const operate = async (_route: unknown, asked: { readonly body?: object }): Promise<never> => {
    bodies.push(asked.body);
    if (bodies.length > 1) throw new KelpieError('canceled', 'that is all.');
    throw new KelpieError(code === 'teleport_incompatible' ? code : 'vm_not_found', why);
  };
  const output = new Output(terminal, { isJson, isColourAllowed: false });
  const refusal = await teleportOrAsk({ operate, output, terminal }, 'dev', body).then(
    () => null,
    (error: unknown) => (error instanceof KelpieError ? `${error.code}: ${error.message}` : String(error)),
  );
  return { bodies, errors: errors(), refusal };
}

test('a person who says yes has a checkpoint sent, one who says no nothing', async () => {
  const question = `${why}\nPublish a checkpoint for it, and let the VM go on here? [y/N] `;
  assert.deepEqual(await told('y\n'), {
    bodies: [body, { ...body, allowCheckpoint: true }],
    errors: question,
    refusal: 'canceled: that is all.',
  });
  assert.deepEqual(await told('\n'), {
    bodies: [body],
    errors: question,
    refusal: 'teleport_incompatible: nothing was published, and the VM goes on here.',
  });
});

test('neither a script nor another refusal asks anything', async () => {
  for (const options of [{ isTty: false }, { isJson: true }])
    assert.deepEqual(await told('y\n', options), {
      bodies: [body],
      errors: '',
      refusal: `teleport_incompatible: ${why}`,
    });
  assert.equal((await told('y\n', { code: 'vm_not_found' })).refusal, `vm_not_found: ${why}`);
});

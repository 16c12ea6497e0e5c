import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { refusedAs } from '../../../test/support/store-fixture.ts';
import { utf8 } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { createNodeEnv } from '../../env/node/env.ts';
import { runTool, toolLines, toolOutput, toolStream } from './tool.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { ToolRun } from './tool.ts';

const env = createNodeEnv();

function shell(script: string, more: Partial<ToolRun> = {}): ToolRun {
  return { command: 'sh', args: ['-c', script], signal: new AbortController().signal, ...more };
}

async function* endless(): AsyncGenerator<Bytes> {
  for (;;) yield new Uint8Array(65_536);
}

describe('a tool', () => {
  test('gets its input and gives its output', async () => {
    async function* input(): AsyncGenerator<Bytes> {
      yield utf8('b\n');
      yield utf8('a\n');
    }
    assert.deepEqual(await toolLines(env, shell('sort', { input: input() })), ['a', 'b']);
    assert.deepEqual(await toolLines(env, shell('echo $LC_ALL $X', { environment: { X: '1' } })), [
      'C.UTF-8 1',
    ]);
  });

  test('that fails is told with the end of what it said', async () => {
    await assert.rejects(
      runTool(env, shell('echo early >&2; echo "no such archive" >&2; exit 3')),
      /status 3: early no such archive\.$/,
    );
    await refusedAs(runTool(env, shell('kill -9 $$')), 'image_build_failed');
    await refusedAs(runTool(env, { ...shell(''), command: 'no-such-tool' }), 'image_build_failed');
    await refusedAs(runTool(env, shell('exec <&-; exit 4', { input: endless() })), 'image_build_failed');
  });

  test('is ended when its input fails, and that failure is told', async () => {
    async function* input(): AsyncGenerator<Bytes> {
      yield utf8('x');
      throw new KelpieError('image_corrupt', 'The input is bad, as it should be.');
    }
    await refusedAs(runTool(env, shell('cat', { input: input() })), 'image_corrupt');
  });

  test('is ended by the signal', async () => {
    const controller = new AbortController();
    const run = runTool(env, shell('echo started; exec sleep 60', { signal: controller.signal }), () =>
      controller.abort(new Error('stop')),
    );
    await assert.rejects(run, /stop/);
    await assert.rejects(runTool(env, shell('true', { signal: controller.signal })), /stop/);
  });

  test('gives no more than was allowed', async () => {
    await refusedAs(toolOutput(env, shell('yes'), 1000), 'image_build_failed');
  });

  test('is a stream that may be left early and fails at its end', async () => {
    for await (const bytes of toolStream(env, shell('yes'))) {
      assert.ok(bytes.byteLength > 0);
      break;
    }
    const failing = async (): Promise<void> => {
      for await (const bytes of toolStream(env, shell('echo x; exit 1'))) assert.ok(bytes.byteLength > 0);
    };
    await refusedAs(failing(), 'image_build_failed');
  });
});

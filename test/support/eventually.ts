import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 5;
const TIMEOUT_MS_DEFAULT = 90_000;

/**
 * Resolves as soon as the condition holds; with how long that took.
 * @param found what there is instead, for the message.
 * @throws AssertionError when it does not hold in time.
 */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  what: string,
  found: () => unknown = () => '',
  timeoutMs: number = TIMEOUT_MS_DEFAULT,
): Promise<number> {
  const startMs = performance.now();
  while (!(await condition())) {
    if (performance.now() - startMs > timeoutMs)
      assert.fail(`not within ${timeoutMs} ms: ${what} ${String(await found())}`);
    await delay(POLL_MS);
  }
  return performance.now() - startMs;
}

import assert from 'node:assert/strict';
import { isKelpieError } from '../../src/base/errors.ts';
import type { ErrorCode } from '../../src/base/error-codes.ts';

/** The parameters of a route about the VM that the tests make. */
export const dev = { parameters: { vm: 'dev' } } as const;

/** The call fails with this code and one sentence. */
export async function rejectsWith(code: ErrorCode, act: Promise<unknown>): Promise<void> {
  await assert.rejects(act, (error) => {
    assert.ok(isKelpieError(error, code), `${code} was expected, not ${String(error)}`);
    assert.match(error.message, /\.$/, 'one sentence');
    return true;
  });
}

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { is } from '../../test/support/fake-guest.ts';
import { utf8 } from '../base/bytes.ts';
import { parseApplication, requireApplications, workspaceRoots } from './application.ts';

const whole = { name: 'agent', workspace: ['/srv/agent'], save: ['save'] };
const parse = (value: unknown): ReturnType<typeof parseApplication> =>
  parseApplication(utf8(typeof value === 'string' ? value : JSON.stringify(value)), '/etc/x.json');

suite('manifests of applications', () => {
  test('say what goes along, with defaults', () => {
    const { reload, environment, pidFile, user, timeoutMs } = parse(whole);
    assert.deepEqual([reload, environment, pidFile, user, timeoutMs], [null, [], null, null, 60_000]);
  });

  test('that cannot be used are refused in one sentence', () => {
    const bad: readonly (readonly [unknown, RegExp])[] = [
      ['{', /x\.json cannot be used: it is not JSON\./],
      [[], /expected object/],
      [{ ...whole, name: 'A B' }, /a-z, 0-9 and -/],
      [{ name: 'agent' }, /neither a workspace nor a command/],
      [{ ...whole, workspace: ['srv'] }, /must begin with/],
      [{ ...whole, workspace: ['/'] }, /plain path/],
      [{ ...whole, workspace: ['/srv/../etc'] }, /plain path/],
      [{ ...whole, workspace: ['/srv/'] }, /plain path/],
      [{ ...whole, workspace: ['/proc/1'] }, /do not move/],
      [{ ...whole, workspace: ['/run'] }, /do not move/],
      [{ ...whole, workspace: [`/${'x'.repeat(2000)}`] }, /too long/],
      [{ ...whole, save: [] }, /save/],
      [{ ...whole, save: ['a\0b'] }, /NUL/],
      [{ ...whole, environment: ['A'] }, /no pidFile/],
      [{ ...whole, environment: ['A=B'], pidFile: '/run/p' }, /names of variables/],
      [{ ...whole, timeoutMs: 1 }, /timeoutMs/],
      [{ ...whole, shell: true }, /shell/],
    ];
    for (const [value, why] of bad)
      assert.throws(
        () => parse(value),
        (error) => is('checkpoint_invalid')(error) && error instanceof Error && why.test(error.message),
        JSON.stringify(value),
      );
    assert.throws(
      () => requireApplications([parse(whole), parse(whole)]),
      /two applications are named "agent"/,
    );
    const many = Array.from({ length: 17 }, (_, index) => parse({ ...whole, name: `a${index}` }));
    assert.throws(() => requireApplications(many), /more than 16/);
  });

  test('share their workspaces', () => {
    const roots = workspaceRoots([
      { workspace: ['/srv/b', '/srv/a/c'] },
      { workspace: ['/srv/a', '/srv/b', '/srv/ab'] },
    ]);
    assert.deepEqual(roots, ['/srv/a', '/srv/ab', '/srv/b']);
  });
});

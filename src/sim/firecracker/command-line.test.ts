import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ArgumentError, instanceIdFault, parseCommandLine } from './command-line.ts';
import type { Options } from './command-line.ts';

const options: Options = {
  id: { takesValue: true, isRequired: true },
  sock: { takesValue: true, byDefault: '/run/sock' },
  cgroup: { takesValue: true, isRepeatable: true },
  quiet: { forbids: 'loud' },
  loud: {},
  api: { requires: 'sock' },
  version: {},
};

test('values, defaults, flags, repeated options and the rest are read', () => {
  const line = parseCommandLine(
    ['--id', 'a', '--cgroup=x=1', '--cgroup', 'y=2', '--quiet', '--', '--id', 'b'],
    options,
  );
  assert.equal(line.value('id'), 'a');
  assert.equal(line.value('sock'), '/run/sock');
  assert.deepEqual(line.values('cgroup'), ['x=1', 'y=2']);
  assert.ok(line.has('quiet') && !line.has('loud'));
  assert.deepEqual(line.rest, ['--id', 'b']);
});

const refused: readonly (readonly [args: readonly string[], text: string])[] = [
  [['--id', 'a', '--no'], "Found argument 'no' which wasn't expected, or isn't valid in this context."],
  [['--id'], "The argument 'id' requires a value, but none was supplied."],
  [['--id', '--loud'], "The argument 'id' requires a value, but none was supplied."],
  [['--id', 'a', '--id', 'b'], "The argument 'id' was provided more than once."],
  [['--loud'], "Argument 'id' required, but not found."],
  [['--id', 'a', '--quiet', '--loud'], "Argument 'loud' cannot be used together with argument 'quiet'."],
  [['--id', 'a', '--api'], "Argument 'sock' required, but not found."],
];

for (const [args, message] of refused) {
  test(`refused: ${args.join(' ')}`, () => {
    assert.throws(() => parseCommandLine(args, options), new ArgumentError(message));
  });
}

test('a question needs nothing else', () => {
  assert.ok(parseCommandLine(['--version'], options).has('version'));
});

test('an id has 1 to 64 letters, digits and hyphens', () => {
  assert.equal(instanceIdFault('vm-1'), null);
  assert.match(instanceIdFault('') ?? '', /^Invalid len \(0\)/);
  assert.match(instanceIdFault('a'.repeat(65)) ?? '', /^Invalid len \(65\)/);
  assert.equal(instanceIdFault('a_b'), 'Invalid char (_) at position 1');
});

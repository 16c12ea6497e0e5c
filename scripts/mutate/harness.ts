/**
 * Stands in for `node:test` in the process that tries mutants: tests are collected when their file is loaded and run whenever they are asked for, so that a mutant costs what
 * its tests do, and no start of a process.
 */

interface Context {
  after(act: () => unknown): void;
}

type Body = (context: Context) => unknown;
type Hook = () => unknown;
/** What a test asks of the real runner; there is time enough here. */
type Options = Readonly<Record<string, unknown>>;

interface Suite {
  readonly name: string;
  readonly before: Hook[];
  readonly after: Hook[];
}

export interface CollectedTest {
  readonly name: string;
  run(): Promise<void>;
}

let collected: CollectedTest[] = [];
let suites: readonly Suite[] = [];

/** The tests that were declared since it was asked last. */
export function takeTests(): readonly CollectedTest[] {
  const taken = collected;
  collected = [];
  return taken;
}

export function test(name: string, options: Options | Body, body?: Body): void {
  const act = typeof options === 'function' ? options : body;
  if (act === undefined) throw new Error(`${name} has no body`);
  const around = suites;
  collected.push({
    name: [...around.map((suite) => suite.name), name].join(' › '),
    run: async () => {
      const hooks: Hook[] = [];
      try {
        for (const suite of around) for (const hook of suite.before) await hook();
        await act({ after: (hook) => void hooks.push(hook) });
      } finally {
        for (const hook of hooks.toReversed()) await hook();
        for (const suite of around.toReversed()) for (const hook of suite.after) await hook();
      }
    },
  });
}

export function describe(name: string, options: Options | (() => void), body?: () => void): void {
  const act = typeof options === 'function' ? options : body;
  const outer = suites;
  suites = [...outer, { name, before: [], after: [] }];
  act?.();
  suites = outer;
}

export function before(hook: Hook): void {
  suites.at(-1)?.before.push(hook);
}
export function after(hook: Hook): void {
  suites.at(-1)?.after.push(hook);
}

// eslint-disable-next-line import/no-default-export -- `node:test` has one
export { test as default, test as it };

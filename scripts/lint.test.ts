/** The linter's configuration, tried on planted violations: a rule that is spelled wrong would be silent otherwise. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { z } from 'zod';

const LINT_TIMEOUT_MS = 60_000;
const root = join(import.meta.dirname, '..');

const reportSchema = z.object({
  diagnostics: z.array(
    z.object({ code: z.string(), message: z.string(), help: z.string().optional(), filename: z.string() }),
  ),
});

/** Code that breaks one rule, and what the linter must say. */
const violations = [
  ['setTimeout(() => {}, 1);', 'eslint(no-restricted-globals)', 'use env.clock.sleep'],
  ['export const now = Date.now();', 'eslint(no-restricted-globals)', 'use env.clock.wallMs'],
  ['export const start = performance.now();', 'eslint(no-restricted-globals)', 'use env.clock.monotonicMs'],
  ['process.exitCode = 1;', 'eslint(no-restricted-globals)', 'use env.host'],
  ['export const id = crypto.randomUUID();', 'eslint(no-restricted-globals)', 'use env.random'],
  ["await fetch('http://localhost');", 'eslint(no-restricted-globals)', 'use env.http'],
  ['export const dice = Math.random();', 'eslint(no-restricted-properties)', 'use env.random'],
  ['export const soon = AbortSignal.timeout(9);', 'eslint(no-restricted-properties)', 'env.clock'],
  ["console.log('hello');", 'eslint(no-console)', ''],
  ['export const x: any = 1;', 'typescript(no-explicit-any)', ''],
  ['export const f = (x: string | null): string => x!;', 'typescript(no-non-null-assertion)', ''],
  ['const f = async (): Promise<void> => {};\nf();', 'typescript(no-floating-promises)', ''],
  ['export const f = (x: unknown): string => x as string;', 'typescript(no-unsafe-type-assertion)', ''],
  [
    "export function f(x: 'a' | 'b'): void {\n  switch (x) {\n    case 'a':\n  }\n}",
    'typescript(switch-exhaustiveness-check)',
    '',
  ],
  ['try {\n  await Promise.reject(new Error());\n} catch {}', 'eslint(no-empty)', ''],
  ['export default 1;', 'import(no-default-export)', ''],
] as const;

function lint(files: ReadonlyMap<string, string>): z.infer<typeof reportSchema>['diagnostics'] {
  const folder = mkdtempSync(join(tmpdir(), 'kelpie-lint-'));
  try {
    for (const name of ['.oxlintrc.json', 'tsconfig.json']) {
      copyFileSync(join(root, name), join(folder, name));
    }
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    for (const [path, text] of files) {
      mkdirSync(join(folder, dirname(path)), { recursive: true });
      writeFileSync(join(folder, path), `${text}\nexport const planted = true;\n`);
    }
    const oxlint = join(root, 'node_modules/oxlint/bin/oxlint');
    const options = { cwd: folder, encoding: 'utf8', timeout: LINT_TIMEOUT_MS } as const;
    const { stdout } = spawnSync(process.execPath, [oxlint, '-f', 'json', 'src'], options);
    return reportSchema.parse(JSON.parse(stdout)).diagnostics;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('the linter finds every planted violation and says what to use instead', () => {
  const files = new Map(violations.map(([text], index) => [`src/vm/planted-${index}.ts`, text]));
  const found = lint(files);
  for (const [index, [text, code, advice]] of violations.entries()) {
    const ofFile = found.filter((diagnostic) => diagnostic.filename === `src/vm/planted-${index}.ts`);
    const hit = ofFile.find((diagnostic) => diagnostic.code === code);
    assert.ok(hit, `${code} is silent about: ${text}\n${JSON.stringify(ofFile)}`);
    assert.ok(`${hit.message} ${hit.help ?? ''}`.includes(advice), `no advice about: ${text}`);
  }
});

test('the real world may use the real world', () => {
  const text = 'export const now = Date.now() + process.pid + Math.random();';
  const files = new Map([
    ['src/env/node/clock.ts', text],
    ['src/bin/kelpie.ts', text],
  ]);
  assert.deepEqual(lint(files), []);
});

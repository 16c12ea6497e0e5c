/**
 * Makes one file of the command line, which starts 20 ms sooner than its modules one by one (docs/adr/0112-the-command-line-in-one-file.md).
 *
 *     one-file.ts           into .cache, when it is not there or stale: what a clone runs as long as its sources are the same
 *     one-file.ts --final   into dist, for the package that is published, which has no sources
 */
import { join } from 'node:path';
import { isFresh, makeOneFile } from './one-file/make.ts';

const root = join(import.meta.dirname, '..');
const isFinal = process.argv.includes('--final');
const path = join(root, isFinal ? 'dist/command-line/kelpie.cjs' : '.cache/command-line/kelpie.cjs');
if (isFinal || !isFresh(path)) await makeOneFile({ root, path, isFinal });

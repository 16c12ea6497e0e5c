/**
 * Loaded into each test file's process (`--import`): ends it when it outlives its time. Node's own limit is per test and does
 * not see a file whose tests have ended while a socket or child that one of them left open keeps the process alive.
 */
import { relative } from 'node:path';

const UNIT_FILE_MS_MAX = 60_000;
const SUITE_FILE_MS_MAX = 1_000_000;

const file = relative(process.cwd(), process.argv[1] ?? '');
const limitMs = file.startsWith('test/') ? SUITE_FILE_MS_MAX : UNIT_FILE_MS_MAX;

// The runner itself loads this too; only the processes that it starts have a context.
if (process.env['NODE_TEST_CONTEXT'] !== undefined) {
  setTimeout(() => {
    const open = process.getActiveResourcesInfo().join(', ');
    process.stderr.write(`${file} still runs after ${limitMs / 1000} s; what is open: ${open}\n`);
    process.exit(1);
  }, limitMs).unref();
}

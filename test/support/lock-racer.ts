/** Takes and leaves the lock in the folder of its argument for ever, and writes down when; `file-lock.test.ts` kills it. */
import { appendFileSync } from 'node:fs';
import { argv, pid } from 'node:process';
import { createNodeEnv } from '../../src/env/node/env.ts';

const { clock, files } = createNodeEnv();
const directory = argv[2] ?? '';

for (;;) {
  const lock = await files.tryLock(`${directory}/lock`);
  if (lock === null) {
    await clock.sleep(1);
    continue;
  }
  appendFileSync(`${directory}/log`, `enter ${pid}\n`);
  await clock.sleep(5);
  appendFileSync(`${directory}/log`, `leave ${pid}\n`);
  await lock.release();
}

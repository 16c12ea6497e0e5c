/** Takes the next revision of one record again and again, against others like it, and prints the revisions that it won. */
import { argv, stdout } from 'node:process';
import { isKelpieError } from '../../src/base/errors.ts';
import { createNodeEnv } from '../../src/env/node/env.ts';
import { openObjects } from '../../src/store/objects/open-objects.ts';
import { ObjectOwnership } from '../../src/store/records/object-ownership.ts';
import { sampleRecord } from './ownership-suite.ts';

const [, , root = '', revisions = '0'] = argv;
const ownership = new ObjectOwnership(await openObjects(createNodeEnv(), root));
const { vmId } = sampleRecord(1);

for (;;) {
  const revision = (await ownership.read(vmId))?.revision ?? 0;
  if (revision >= Number(revisions)) break;
  try {
    await ownership.compareAndSwap(revision, sampleRecord(revision + 1));
    stdout.write(`${revision + 1}\n`);
  } catch (error) {
    if (!isKelpieError(error, 'store_conflict')) throw error;
  }
}

/** Increases a counter in a directory of objects so many times, against others like it, and prints the values that it wrote. */
import { argv, stdout } from 'node:process';
import { fromUtf8, utf8 } from '../../src/base/bytes.ts';
import { createNodeEnv } from '../../src/env/node/env.ts';
import { openObjects } from '../../src/store/objects/open-objects.ts';

const [, , root = '', steps = '0'] = argv;
const store = await openObjects(createNodeEnv(), root);

for (let done = 0; done < Number(steps);) {
  const object = await store.get('counter');
  if (object === null) {
    await store.putIfAbsent('counter', utf8('0'));
    continue;
  }
  const next = Number(fromUtf8(object.bytes)) + 1;
  if ((await store.putIfMatch('counter', object.etag, utf8(String(next)))).result !== 'written') continue;
  stdout.write(`${next}\n`);
  done += 1;
}

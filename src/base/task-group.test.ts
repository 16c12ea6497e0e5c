import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TaskGroup } from './task-group.ts';

const turn = async (): Promise<void> => await new Promise(setImmediate);

describe('TaskGroup', () => {
  it('runs what there is room for, and waits with the rest', async () => {
    const group = new TaskGroup();
    const lane = group.lane(3);
    let used = 0;
    let most = 0;
    for (const size of [1, 2, 1, 1, 1, 3, 1, 9, 2]) {
      await lane.begin(size, async () => {
        used += size;
        most = Math.max(most, used);
        await turn();
        used -= size;
      });
    }
    await lane.idle();
    assert.equal(used, 0);
    assert.equal(most, 9, 'what is larger than the lane runs alone');
    await group.end();
  });

  it('tells the first failure, ends the others with it, and begins nothing after it', async () => {
    const group = new TaskGroup();
    const lane = group.lane(2);
    const first = new Error('first');
    let isEnded = false;
    await lane.begin(1, async () => {
      await turn();
      throw first;
    });
    await lane.begin(1, async () => {
      while (!group.signal.aborted) await turn();
      isEnded = true;
      throw new Error('second');
    });
    await assert.rejects(
      lane.begin(1, async () => assert.fail('it must not begin')),
      first,
    );
    assert.equal(await group.abandon(new Error('third')), first);
    assert.ok(isEnded);
    await assert.rejects(group.end(), first);
  });

  it('takes the failure of its producer, and waits until nothing runs', async () => {
    const group = new TaskGroup();
    let isEnded = false;
    await group.lane(1).begin(1, async () => {
      while (!group.signal.aborted) await turn();
      isEnded = true;
    });
    const own = new Error('own');
    assert.equal(await group.abandon(own), own);
    assert.ok(isEnded);
  });

  it('ends with its signal', async () => {
    const controller = new AbortController();
    const group = new TaskGroup(controller.signal);
    await group.lane(1).begin(1, async () => {
      while (!group.signal.aborted) await turn();
    });
    controller.abort(new Error('enough'));
    await assert.rejects(group.end(), /enough/);
    await assert.rejects(
      group.lane(1).begin(1, async () => assert.fail('it must not begin')),
      /enough/,
    );
  });

  it('waits for what acts begin', async () => {
    const group = new TaskGroup();
    const [outer, inner] = [group.lane(1), group.lane(1)];
    const done: string[] = [];
    await outer.begin(1, async () => {
      await turn();
      await inner.begin(1, async () => {
        await turn();
        done.push('inner');
      });
      done.push('outer');
    });
    await group.end();
    assert.deepEqual(done, ['outer', 'inner']);
  });
});

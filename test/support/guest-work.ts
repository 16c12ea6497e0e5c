/** A process in the guest that works in memory and on the disk, and ends when either is not what it wrote. */
import assert from 'node:assert/strict';
import type { VmInWorld, VmWorld } from './vm-world.ts';

const WORK = `mkdir -p /root/busy && cat > /root/busy/main.py <<'PYTHON'
import os, time, zlib
blocks = [bytearray(65536) for _ in range(64)]
sums = [zlib.crc32(block) for block in blocks]
count = 0
with open('/root/busy/pid', 'w') as file:
    file.write(str(os.getpid()))
while True:
    index = count % 64
    assert zlib.crc32(blocks[index]) == sums[index], 'memory differs'
    path = '/root/busy/block-%d' % (count % 8)
    if count >= 8:
        with open(path) as file:
            assert file.read() == 'block %d' % (count - 8), 'disk differs'
    with open(path, 'w') as file:
        file.write('block %d' % count)
    blocks[index][:] = bytes([count % 256]) * 65536
    sums[index] = zlib.crc32(blocks[index])
    count += 1
    with open('/root/busy/count.new', 'w') as file:
        file.write(str(count))
    os.rename('/root/busy/count.new', '/root/busy/count')
    time.sleep(0.02)
PYTHON
python3 /root/busy/main.py > /root/busy/log 2>&1 &
until [ -s /root/busy/count ]; do sleep 0.05; done`;

/** Resolves when the work goes on. */
export async function startWork(world: VmWorld, vm: VmInWorld): Promise<void> {
  await world.run(vm, WORK);
}

/** How far the work is; it is alive. */
export async function workDone(world: VmWorld, vm: VmInWorld): Promise<number> {
  return Number(
    await world.run(vm, 'cat /root/busy/log >&2; kill -0 $(cat /root/busy/pid) && cat /root/busy/count'),
  );
}

/** The process of the work. */
export async function workPid(world: VmWorld, vm: VmInWorld): Promise<number> {
  return Number(await world.run(vm, 'cat /root/busy/pid'));
}

/** The work goes on and found nothing wrong. @throws AssertionError with what it said last. */
export async function assertWorks(world: VmWorld, vm: VmInWorld): Promise<void> {
  const first = await workDone(world, vm);
  const script = `for i in $(seq 100); do [ $(cat /root/busy/count) -gt ${first} ] && break; sleep 0.05; done; cat /root/busy/count`;
  assert.ok(Number(await world.run(vm, script)) > first, 'the work goes on');
}

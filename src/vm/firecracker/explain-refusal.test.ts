import assert from 'node:assert/strict';
import test from 'node:test';
import { isKelpieError, KelpieError } from '../../base/errors.ts';
import { createNodeFiles } from '../../env/node/files.ts';
import { SystemError } from '../../env/system-error.ts';
import type { Files } from '../../env/files.ts';
import { explainRefusal } from './explain-refusal.ts';
import type { HostDevices } from './explain-refusal.ts';

/** A host whose `/dev/kvm` cannot be opened for a reason, or can. */
function hostWhere(errno: string | null): HostDevices {
  const files = createNodeFiles();
  const open: Files['open'] = async (path, mode) => {
    if (path === '/dev/kvm' && errno !== null) throw new SystemError(errno, 'open', path);
    return files.open('/dev/null', mode);
  };
  return { files: { open } };
}

function refusal(fault: string): KelpieError {
  return new KelpieError('vm_backend_failed', `Firecracker refused to start the VM: ${fault}.`, {
    data: { fault },
  });
}

test('what the host lacks is told for what it is', async () => {
  for (const [errno, fault, code] of [
    [null, 'Cannot set the memory regions: Out of memory (os error 12)', 'vm_start_failed'],
    [null, 'Cannot perform write: No space left on device (os error 28)', 'disk_full'],
    ['ENOENT', 'Error creating KVM object: No such file or directory (os error 2)', 'backend_unavailable'],
    ['EACCES', 'Error creating KVM object: Permission denied (os error 13)', 'permission_denied'],
    [null, 'Error creating KVM object: Invalid argument (os error 22)', 'vm_start_failed'],
    [null, 'Unable to patch the block device: No such file or directory (os error 2)', 'vm_start_failed'],
  ] as const) {
    const explained = await explainRefusal(hostWhere(errno), refusal(fault));
    assert.ok(isKelpieError(explained, code), `${fault}: ${String(explained)}`);
    assert.match(explained.message, /\.$/);
    assert.ok(isKelpieError(explained.cause, 'vm_backend_failed'), 'the refusal is the cause');
  }
});

test('what is no refusal passes unchanged', async () => {
  const errors = [
    new Error('x'),
    new KelpieError('vm_backend_failed', 'Firecracker did not answer in 10 s.'),
  ];
  for (const error of errors) assert.equal(await explainRefusal(hostWhere(null), error), error);
});

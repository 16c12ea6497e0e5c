/** Every request that the client makes, held against Firecracker's published description. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { bodyFault } from '../../../sim/firecracker/api/check-body.ts';
import { operations } from '../../../sim/firecracker/api/description.ts';
import { ManualClock } from '../../../../test/support/manual-clock.ts';
import { ScriptedHttp } from '../../../../test/support/scripted-http.ts';
import type { Asked } from '../../../../test/support/scripted-http.ts';
import { loadParams } from '../load.ts';
import { featuresOf } from '../version.ts';
import * as calls from './calls.ts';
import { FirecrackerApi } from './client.ts';

const newest = { major: 1, minor: 16, patch: 1 };

/** What is sent for a VM with everything that a VM can have. */
async function everyRequest(): Promise<readonly Asked[]> {
  const body = '{"app_name":"Firecracker","id":"a","state":"Running","vmm_version":"1.16.1"}';
  const http = new ScriptedHttp(async ({ method }) =>
    method === 'GET' ? { status: 200, body } : { status: 204 },
  );
  const api = new FirecrackerApi({ http, clock: new ManualClock() }, '/run/api.sock');
  const drive = { drive_id: 'data', is_root_device: false, is_read_only: false, path_on_host: 'data' };
  const files = { snapshot_path: 'new-state', mem_file_path: 'new-memory' };
  await calls.describeInstance(api);
  await calls.putLogger(api, { log_path: 'firecracker.log', level: 'Info' });
  await calls.putMetrics(api, 'metrics');
  await calls.putSerial(api, { rate_limiter: { size: 1024, refill_time: 1000 } });
  const machine = { vcpu_count: 2, mem_size_mib: 512, smt: false, track_dirty_pages: true } as const;
  await calls.putMachine(api, { ...machine, cpu_template: 'T2' });
  await calls.putBootSource(api, {
    kernel_image_path: 'kernel',
    initrd_path: 'initramfs',
    boot_args: 'quiet',
  });
  await calls.putDrive(api, { ...drive, cache_type: 'Writeback' });
  await calls.putNetwork(api, { iface_id: 'net', host_dev_name: 'kelpie1', guest_mac: '06:4b:01:02:03:04' });
  await calls.putVsock(api, { guest_cid: 3, uds_path: 'vsock.sock' });
  await calls.putEntropy(api);
  await calls.putBalloon(api, { amount_mib: 0, deflate_on_oom: true });
  await calls.startInstance(api);
  await calls.sendCtrlAltDel(api);
  await calls.pauseVm(api);
  await calls.resumeVm(api);
  await calls.createSnapshot(api, { ...files, snapshot_type: 'Diff' });
  await calls.createSnapshot(api, { ...files, snapshot_type: 'Full' });
  await calls.loadSnapshot(api, loadParams('kelpie1', featuresOf(newest)));
  return http.asked;
}

test('each is a request that the description knows, with a body of its shape', async () => {
  const sent = await everyRequest();
  assert.equal(sent.length, Object.values(calls).length + 1, 'every call was made, one of them twice');
  for (const { method, path, body } of sent) {
    const operation = operations.find(
      (known) =>
        known.method === method &&
        new RegExp(`^${known.template.replaceAll(/\{\w+\}/g, '[\\w-]+')}$`).test(path),
    );
    assert.ok(operation !== undefined, `${method} ${path}`);
    if (operation.body === null) assert.equal(body, null);
    else assert.equal(bodyFault(operation.body, body, { version: newest, isPartial: false }), null, path);
  }
});

test('a load has no field that its version does not know', () => {
  for (const minor of [12, 13, 14, 15, 16]) {
    const version = { major: 1, minor, patch: 0 };
    const body = loadParams('kelpie1', featuresOf(version));
    assert.equal(bodyFault('SnapshotLoadParams', body, { version, isPartial: false }), null, String(minor));
    assert.ok((body.track_dirty_pages ?? body.enable_diff_snapshots) === true, 'written pages are noted');
  }
});

/** `--config-file`: the same configuration as by requests, in one file, and a start. */
import { isMembers } from '../../src/sim/firecracker/api/check-body.ts';
import { Fault } from '../../src/sim/firecracker/fault.ts';
import { list, optionalMembers, text } from '../../src/sim/firecracker/fields.ts';
import type { Api } from '../../src/sim/firecracker/handlers.ts';
import type { RunningMachine } from '../../src/sim/firecracker/platform.ts';

/** Which request each section stands for, in the order in which they are made. */
const sections: readonly (readonly [section: string, path: string])[] = [
  ['logger', '/logger'],
  ['metrics', '/metrics'],
  ['machine-config', '/machine-config'],
  ['cpu-config', '/cpu-config'],
  ['boot-source', '/boot-source'],
  ['balloon', '/balloon'],
  ['vsock', '/vsock'],
  ['entropy', '/entropy'],
];

/** @throws Fault when something in it is refused. */
export async function startFromFile<Machine extends RunningMachine>(
  content: string,
  api: Api<Machine>,
): Promise<void> {
  const config: unknown = JSON.parse(content);
  if (!isMembers(config)) throw new Fault('Invalid JSON: invalid type, expected struct VmmConfig');
  const put = async (path: string, body: object): Promise<void> => {
    const answer = await api.handle({ method: 'PUT', path, body: JSON.stringify(body) }, () => undefined);
    if (answer.status >= 400) throw new Fault(JSON.stringify(answer.json));
  };
  for (const [section, path] of sections) {
    const body = optionalMembers(config, section);
    if (body !== null) await put(path, body);
  }
  for (const drive of list(config, 'drives')) await put(`/drives/${text(drive, 'drive_id')}`, drive);
  for (const net of list(config, 'network-interfaces'))
    await put(`/network-interfaces/${text(net, 'iface_id')}`, net);
  const mmds = optionalMembers(config, 'mmds-config');
  if (mmds !== null) await put('/mmds/config', mmds);
  await put('/actions', { action_type: 'InstanceStart' });
}

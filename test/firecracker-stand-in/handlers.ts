/** Requests that only the stand-in does: its guest is real. */
import { integer } from '../../src/sim/firecracker/fields.ts';
import type { Handlers } from '../../src/sim/firecracker/handlers.ts';
import type { Instance } from '../../src/sim/firecracker/instance.ts';
import type { Paths } from '../../src/sim/firecracker/platform.ts';
import type { Mmds } from './mmds.ts';
import type { StandInMachine } from './platform.ts';
import { patchBalloon, patchDrive, readBalloon, readBalloonStatistics } from './running-devices.ts';
import type { Jail } from './settings.ts';

export function moreHandlers(
  instance: Instance<StandInMachine>,
  mmds: Mmds,
  host: { readonly paths: Paths; readonly jail: Jail | null },
): Handlers {
  return {
    'PUT /mmds/config': (body) => instance.configure((resources) => resources.setMmdsConfig(body)),
    'GET /mmds': () => mmds.content,
    'PUT /mmds': (body) => mmds.put(body),
    'PATCH /mmds': (body) => mmds.patch(body),
    'GET /balloon': () => readBalloon(instance),
    'PATCH /balloon': (body) => patchBalloon(instance, integer(body, 'amount_mib')),
    'GET /balloon/statistics': () => readBalloonStatistics(instance),
    'PATCH /drives/{drive_id}': (body) => patchDrive(instance, body, host),
  };
}

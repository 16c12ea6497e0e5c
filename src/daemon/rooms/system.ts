import { KELPIE_VERSION } from '../../base/version.ts';
import { routes } from '../api/routes.ts';
import { API_VERSION } from '../api/version.ts';
import { answerJson } from '../answers.ts';
import { examineHost, examineStore } from '../doctor.ts';
import { toFactsDocument } from '../../snapshot/compatibility/facts-document.ts';
import { readHostFacts } from '../../teleport/host-facts.ts';
import { repairLeftovers } from '../leftovers.ts';
import { doctorQuery } from '../api/system.ts';
import { readQuery } from '../requests.ts';
import type { DoctorReport, Finding } from '../api/system.ts';
import type { Room } from '../room.ts';

/** @param shutdown asks the daemon to end; it answers first. */
export function systemRoom(
  shutdown: () => void,
): Room<'version' | 'health' | 'doctor' | 'repair' | 'shutdown'> {
  return (supervisor) => {
    const { env, identity } = supervisor.host;
    const startedMs = env.clock.monotonicMs();
    return {
      version: async () =>
        answerJson(routes.version, {
          version: KELPIE_VERSION,
          apiVersion: API_VERSION,
          hostId: identity.id,
          hostName: identity.name,
          pid: env.host.pid,
        }),

      health: async () =>
        answerJson(routes.health, {
          uptimeMs: Math.round(env.clock.monotonicMs() - startedMs),
          vms: supervisor.registry.all.length,
          operations: supervisor.operations,
        }),

      doctor: async (request) => {
        const { storeUrl } = readQuery(request, doctorQuery);
        const findings = [
          ...(await examineHost(supervisor)),
          ...(storeUrl === undefined ? [] : await examineStore(env, storeUrl)),
        ];
        const facts = toFactsDocument(await readHostFacts(supervisor.host));
        return answerJson(routes.doctor, reportOf(findings, facts));
      },

      repair: async () => answerJson(routes.repair, reportOf(await repairLeftovers(supervisor), null)),

      shutdown: async () => {
        shutdown();
        return answerJson(routes.shutdown, {});
      },
    };
  };
}

function reportOf(findings: readonly Finding[], facts: DoctorReport['facts']): DoctorReport {
  return { findings, ok: findings.every(({ level }) => level !== 'problem'), facts };
}

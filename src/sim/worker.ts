/** Does one job after the other; of a run before nothing is left for the next. */
import './preload.ts';
import type { CallMade } from './call-watch.ts';
import type { Answer, Job } from './jobs.ts';
import { runPlan } from './run-plan.ts';
import type { Audience, Engine } from './run-plan.ts';
import { Tracer } from './trace.ts';

export async function doJob(engine: Engine, job: Job): Promise<Answer> {
  const wants = new Set(job.wants);
  const calls: CallMade[] = [];
  const tracer = new Tracer();
  const audience: Audience = {
    silenced: new Set(job.silenced),
    ...(wants.has('calls') ? { onCall: (call) => calls.push(call) } : {}),
    ...(wants.has('trace') ? { onTold: (told, atMs) => tracer.add({ ...told, atMs }) } : {}),
  };
  const result = await runPlan(engine, job.plan, audience);
  return {
    id: job.id,
    seed: result.seed,
    violation: result.violation,
    hash: result.hash,
    steps: result.steps,
    simulatedMs: result.simulatedMs,
    faults: Object.fromEntries(result.faults),
    sometimes: Object.fromEntries(result.sometimes),
    isAimHit: result.isAimHit,
    plan: wants.has('plan') ? result.plan : null,
    logs: wants.has('logs') ? Object.fromEntries(result.logs()) : {},
    trace: wants.has('trace') ? tracer.trace : null,
    calls,
  };
}

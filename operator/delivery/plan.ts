/**
 * The planner: from what was observed, the spec and the time to what must be next. Pure, so every
 * crash point is just another observation.
 *
 * All strategies are one: two revisions, their pods and a weight. Order of a
 * delivery: expand and backfill, pods, ready, weight, promotion, soak, contract.
 */
import { advance } from './advance.js';
import { createContext, type DeliveryContext, withPosition } from './context.js';
import { planContract } from './contract.js';
import { planContractWindow } from './contract-window.js';
import type { Decision, DeliveryPlan } from './delivery-plan.js';
import type { DeliverySpec } from './delivery-spec.js';
import { heldStep } from './held-step.js';
import { incompatibleJobs } from './job-payloads.js';
import type { Observation } from './observation.js';
import { planReplicas } from './planned-replicas.js';
import { planWorkers } from './planned-workers.js';
import { preparationJob, requiredApproval } from './preparation.js';
import { deadlineLeftMs, deadlineMessage } from './progress-deadline.js';
import { withRecordedContract, withRecords } from './recorded-position.js';
import { recordSchema } from './recorded-schema.js';
import { isLost, recover } from './recover.js';
import { retire } from './retire.js';
import { belowFloorMessage } from './rollback-floor.js';
import { planRoute } from './routing.js';
import { schemaInUse } from './schema-check.js';
import { isSupported } from './startable.js';
import { hasStepsLeft, promotionWaitsFor, stepView } from './steps.js';

export { recordedAt, recordOf } from './recorded-position.js';
export { deliveryId, fullId, retryId, stepId, undoTarget } from './request-ids.js';
export { isMigrated } from './revision-view.js';
export { inEffect, sameRoute } from './routing.js';

/** Plans one PcfApi. `now` is in milliseconds since the epoch. */
export function plan(observation: Observation, spec: DeliverySpec, now: number): DeliveryPlan {
  const position = withRecordedContract(observation);
  const isPositionLost = isLost(observation, position);
  const known = isPositionLost ? withRecords(observation, position) : position;
  const recovered = isPositionLost ? recover(createContext(observation, spec, known, now)) : undefined;
  const recorded = recordSchema(observation, known, now);
  return recovered ?? planDelivery(createContext(observation, spec, recorded, now));
}

function planDelivery(given: DeliveryContext): DeliveryPlan {
  const advanced = advance(given);
  const contract = planContract(withPosition(given, advanced.position));
  const context = withPosition(given, contract.position);
  const { position, observation, revisions, spec } = context;
  const window = planContractWindow(context);

  const { route, routeWaitsFor, traffic } = planRoute(context);
  const running = planReplicas(context, route);
  const outgoing = retire(context, route, running.replicas);
  const replicas = { ...outgoing.replicas, ...running.replicas };
  const { effectiveWeight } = traffic;
  const jobsIncompatible = incompatibleJobs(context);
  const { step, wakeMs: stepMs } = stepView(context);
  const deadlineMs = deadlineLeftMs(context);
  const isOverdue = deadlineMs !== undefined && deadlineMs <= 0;
  return {
    position: { ...position, retiring: outgoing.retiring.length > 0 ? outgoing.retiring : undefined },
    migrate: spec.paused ? undefined : position.update,
    job: (isSupported(context) ? preparationJob(context) : undefined) ?? contract.job ?? window.job,
    ...(contract.waitingFor ? { contract: { waitingFor: contract.waitingFor, at: contract.at } } : {}),
    approval: requiredApproval(context) ?? contract.approval,
    ...(window.restoring ? { restoring: window.restoring } : {}),
    refused: window.restoring
      ? undefined
      : (window.refused ?? belowFloorMessage(revisions, position, observation.target)),
    schemaInUse: schemaInUse(context),
    ...(jobsIncompatible ? { jobsIncompatible } : {}),
    replicas,
    workers: planWorkers(context, { effectiveWeight, replicas }),
    route,
    ...(routeWaitsFor ? { routeWaitsFor } : {}),
    traffic,
    step,
    promotionWaitsFor: pendingPromotion(context),
    held: heldStep(context, advanced.startWaitsFor),
    ...(isOverdue ? { overdue: deadlineMessage(context) } : {}),
    decisions: [...advanced.decisions, ...startedContracts(context), ...restoredContracts(context)],
    requeueAfterMs: earliest(
      outgoing.wakeMs,
      stepMs,
      contract.wakeMs,
      window.wakeMs,
      running.settlesInMs,
      observation.gate?.changesInMs,
      // An expired deadline needs no requeue: only an event can change the plan.
      isOverdue ? undefined : deadlineMs,
    ),
  };
}

function pendingPromotion(context: DeliveryContext): string | undefined {
  const { update, weight = 0 } = context.position;
  if (!update || weight < 100 || hasStepsLeft(context)) return undefined;
  return promotionWaitsFor(context);
}

function startedContracts({ recorded, position: { contracted } }: DeliveryContext): Decision[] {
  const before = recorded.contracted;
  if (!contracted || (before && before.at === contracted.at)) return [];
  const migrations = contracted.migrations.filter((migration) => !before?.migrations.includes(migration));
  return [{ type: 'ContractStarted', revision: contracted.revision, migrations }];
}

function restoredContracts({ observation, position: { contracted } }: DeliveryContext): Decision[] {
  const before = observation.position.contracted;
  if (!before?.hidden || (contracted?.restores ?? 0) === (before.restores ?? 0)) return [];
  return [
    {
      type: 'ContractRestored',
      revision: before.revision,
      migrations: before.hidden.map(({ migration }) => migration),
    },
  ];
}

function earliest(...waits: (number | undefined)[]): number | undefined {
  const known = waits.filter((wait) => wait !== undefined);
  return known.length > 0 ? Math.max(0, Math.min(...known)) : undefined;
}

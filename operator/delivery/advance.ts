/** Moves the delivery on: starts, cancels, supersedes or aborts it, completes a step, or promotes the revision. */
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import { abortReason } from './abort-rules.js';
import { type DeliveryContext, withPosition } from './context.js';
import type { Decision } from './delivery-plan.js';
import { expireLinks, revokeLinks, withoutWait } from './manual-promotion.js';
import type { Failure, Observation } from './observation.js';
import { capacityScale } from './planned-replicas.js';
import { recordProgress } from './progress-deadline.js';
import { retryId } from './request-ids.js';
import { isMigrated, viewOf } from './revision-view.js';
import { belowFloorMessage, pendingContracts } from './rollback-floor.js';
import { effectiveShare, shareOf } from './route-share.js';
import {
  adoptStrategy,
  advanceStep,
  desiredWeight,
  hasStepsLeft,
  promotionWaitsFor,
  requestedWeight,
} from './steps.js';
import { weightBlock } from './weight-block.js';
import { limitWeightByWindow, windowFor } from './window-hold.js';

export interface Advance {
  position: DeliveryPosition;
  decisions: Decision[];
  /** What the start of the delivery of the target waits for, if a closed window holds it. */
  startWaitsFor?: string;
}

/** The first case that applies decides. */
export function advance(given: DeliveryContext): Advance {
  const progressed = withPosition(given, recordProgress(given));
  const routed = withPosition(progressed, recordFirstTraffic(progressed));
  const failure = abortReason(routed);
  if (failure && mayAbort(routed)) return abort(routed, failure);
  // Before anything returns: the end of links must be recorded also while the delivery is paused or its weight is not effective.
  const revoked = withPosition(routed, revokeLinks(routed));
  const context = withWindow(withPosition(revoked, expireLinks(revoked)));
  if (context.spec.paused) return { position: context.position, decisions: [] };

  const { target } = context.observation;
  const next = withPosition(context, forgetFailure(context));
  const { position, revisions } = next;
  if (target === position.stable) return cancel(position);
  if (target === position.failed?.revision) return { position, decisions: [] };
  if (belowFloorMessage(revisions, position, target)) return cancel(position);
  if (target !== position.update) return startInWindow(context, next);
  return continueDelivery(withPosition(next, adoptStrategy(next)));
}

/** A failure is not forgotten before the retry starts: the retry reruns the migrations. */
function startInWindow(context: DeliveryContext, next: DeliveryContext): Advance {
  const { target } = context.observation;
  const startWaitsFor = windowFor(next, 'Start', target);
  if (!startWaitsFor) return startDelivery(next);
  const { position } = context.position.failed?.revision === target ? context : next;
  // The delivery does not continue, so an approval of its step would have no effect.
  return { position: withoutWait(position), decisions: [], startWaitsFor };
}

/** A weight that is paused, or of an earlier target, is not changed by the spec. */
function withWindow(context: DeliveryContext): DeliveryContext {
  const isFollowed = !context.spec.paused && context.observation.target === context.position.update;
  return withPosition(context, limitWeightByWindow(context, isFollowed ? requestedWeight(context) : 100));
}

function continueDelivery(context: DeliveryContext): Advance {
  if (weightBlock(context)) return holdWithoutTraffic(context);
  const { position, decisions } = advanceStep(context);
  const atStep = withPosition(context, position);
  const weighted = withPosition(atStep, { ...position, weight: desiredWeight(atStep) });
  const scaled = withPosition(weighted, { ...weighted.position, scale: capacityScale(weighted) });
  if (decisions.length > 0 || !isPromotable(scaled)) return { position: scaled.position, decisions };
  return promote(scaled);
}

/** The pods of weight 0, for requests with the header. The step restarts afterwards. */
function holdWithoutTraffic(context: DeliveryContext): Advance {
  const { stepSince, approval: _, ...rest } = context.position;
  const held = withPosition(context, { ...rest, weight: 0 });
  return { position: { ...held.position, scale: capacityScale(held) }, decisions: [] };
}

/** Failures of pods, and requests, abort only if there is a stable revision to revert to. */
function mayAbort({ stable, canary }: DeliveryContext): boolean {
  return stable !== undefined || canary!.migration === 'Failed';
}

function abort({ position, now }: DeliveryContext, { reason, message }: Failure): Advance {
  const revision = position.update!;
  const at = new Date(now).toISOString();
  return {
    position: { ...afterDelivery(position), failed: { revision, reason, message, at } },
    decisions: [{ type: 'Aborted', revision, reason, message }],
  };
}

/** A failure applies until the target changes, or a retry is requested. */
function forgetFailure({ position, observation, spec: { requests } }: DeliveryContext): DeliveryPosition {
  const { failed, ...rest } = position;
  if (!failed) return position;
  if (requests.retry === retryId(position)) return forgetUnreported(rest, failed.revision);
  return failed.revision === observation.target ? position : rest;
}

/** A revision that did not report its known migrations can report them when it is retried. */
function forgetUnreported(position: DeliveryPosition, name: string): DeliveryPosition {
  const { knownMigrations, ...rest } = position;
  const reported = knownMigrations?.filter(({ revision, unreported }) => revision !== name || !unreported);
  return reported?.length ? { ...rest, knownMigrations: reported } : rest;
}

function cancel(position: DeliveryPosition): Advance {
  if (!position.update) return { position, decisions: [] };
  return {
    position: afterDelivery(position),
    decisions: [{ type: 'Cancelled', revision: position.update }],
  };
}

export function startDelivery(context: DeliveryContext): Advance {
  const { observation, position: before, recorded, revisions, spec, now } = context;
  const { target } = observation;
  const { ready, failedMigrations = 0, lastMigration = 0 } = viewOf(revisions, target);
  const undo = target === before.previous && ready > 0;
  // Before a retry the database may have lost the changes of an earlier Job, in a failover.
  const rerunMigrations = recorded.failed?.revision === target && !undo;
  const attempt = 1 + Math.max(failedMigrations, rerunMigrations ? lastMigration : 0);
  const started = withPosition(context, {
    ...afterDelivery(before),
    stable: before.stable ?? servingRevision(observation),
    update: target,
    startedAt: new Date(now).toISOString(),
    strategy: spec.strategy,
    ...(undo ? { undo } : {}),
    ...(attempt > 1 ? { attempt } : {}),
    ...(rerunMigrations ? { rerunMigrations } : {}),
  });
  const limited = withPosition(started, limitWeightByWindow(started, requestedWeight(started)));
  const weight = weightBlock(limited) ? 0 : desiredWeight(limited);
  const weighted = withPosition(limited, { ...limited.position, weight });
  return { position: recordProgress(weighted), decisions: startDecisions(before, target, undo) };
}

function startDecisions(before: DeliveryPosition, target: string, undo: boolean): Decision[] {
  const started: Decision = { type: 'Started', revision: target, ...(undo ? { undo } : {}) };
  if (before.update) return [{ type: 'Superseded', revision: before.update, by: target }, started];
  if (pendingContracts(before).length === 0) return [started];
  return [started, { type: 'ContractCancelled', revision: before.stable!, by: target }];
}

/**
 * Before the first promotion no revision is stable: a revision that serves becomes the stable one. The route shows
 * it, because the status may never have been written.
 */
function servingRevision({ route, revisions, target }: Observation): string | undefined {
  return revisions.find(({ name, ready }) => name !== target && ready > 0 && shareOf(route, name) === 100)
    ?.name;
}

/**
 * Whether all steps are done, all pods are ready, the route that was read back gives the new revision the whole
 * traffic, and no verdict is pending.
 */
function isPromotable(context: DeliveryContext): boolean {
  const { position, spec } = context;
  const canary = context.canary!;
  if ((position.weight ?? 0) < 100 || hasStepsLeft(context)) return false;
  if (!isMigrated(canary) || canary.ready < spec.replicas) return false;
  if (spec.replicas > 0 && !hasWholeTraffic(context.observation, canary.name)) return false;
  return promotionWaitsFor(context) === undefined;
}

/** Whether all requests reach the revision: through the route, if the data plane accepts it, and through the Service. */
function hasWholeTraffic({ route, routeRejected }: Observation, name: string): boolean {
  const isSelected = route?.service === undefined || route.service === name;
  return routeRejected === undefined && shareOf(route, name) === 100 && isSelected;
}

function promote(context: DeliveryContext): Advance {
  const { position, revisions, now } = context;
  const { stable, update, startedAt, firstTrafficAt, served = [] } = position;
  const isUndo = isPromotionUndo(context);
  const recorded = new Set(revisions.map(({ name }) => name));
  const promoted: DeliveryPosition = {
    ...afterDelivery(position),
    stable: update,
    startedAt,
    ...(firstTrafficAt ? { firstTrafficAt } : {}),
    // After an undo, a return to the revision that was undone is an ordinary delivery.
    previous: isUndo ? undefined : stable,
    served: [...new Set([...served, ...(stable ? [stable] : [])])].filter(
      (name) => name !== update && recorded.has(name),
    ),
    promotedAt: new Date(now).toISOString(),
    beforeContractAt: undefined,
  };
  const decision: Decision = {
    type: 'Promoted',
    revision: update!,
    ...(isUndo ? { undone: stable } : {}),
  };
  return { position: promoted, decisions: [decision] };
}

/**
 * Whether the promotion returns to an older revision that was stable before, at once or as an ordinary delivery. An
 * older revision that was aborted and never stable is delivered for the first time.
 */
function isPromotionUndo({ position, stable, canary }: DeliveryContext): boolean {
  if (position.undo || !stable) return position.undo ?? false;
  if (!position.served?.includes(canary!.name)) return false;
  const { number } = canary!;
  return number !== undefined && number < (stable.number ?? 0);
}

/** The part of a position that remains after a delivery. */
function afterDelivery(position: DeliveryPosition): DeliveryPosition {
  const {
    stable,
    previous,
    served,
    promotedAt,
    beforeContractAt,
    retiring,
    failed,
    knownMigrations,
    contracted,
  } = position;
  return {
    stable,
    previous,
    ...(served ? { served } : {}),
    promotedAt,
    ...(beforeContractAt ? { beforeContractAt } : {}),
    retiring,
    failed,
    ...(knownMigrations ? { knownMigrations } : {}),
    ...(contracted ? { contracted } : {}),
  };
}

function recordFirstTraffic({ observation, position, revisions, now }: DeliveryContext): DeliveryPosition {
  const hasTraffic = effectiveShare(observation.route, revisions, position.update) > 0;
  if (position.firstTrafficAt || !hasTraffic) return position;
  return { ...position, firstTrafficAt: new Date(now).toISOString() };
}

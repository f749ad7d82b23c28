/** Where the delivery stands after an observation: begun, called off, superseded, aborted, a step further, or promoted. */
import type { DeliveryPosition } from '../api/v1alpha1/status.js';
import { failureOf } from './abort-rules.js';
import type { Decision } from './delivery-plan.js';
import type { DeliverySettings } from './delivery-spec.js';
import type { Failure, Observation } from './observation.js';
import { scaleOf } from './planned-replicas.js';
import { noteProgress } from './progress-deadline.js';
import { migrated, view } from './revision-view.js';
import { belowFloor, pendingContracts } from './rollback-floor.js';
import { shareInForce, shareOf } from './route-share.js';
import { adoptStrategy, advanceStep, askedWeight, awaitedVerdict, hasStepsLeft } from './steps.js';

export interface Advance {
  position: DeliveryPosition;
  decisions: Decision[];
}

/** Looks at the cases in turn; the first that holds decides. */
export function advance(seen: Observation, settings: DeliverySettings, now: number): Advance {
  const before = noteFirstTraffic(seen, noteProgress(seen, seen.position, settings, now), now);
  const { target } = seen;
  const failure = before.update && failureOf(seen, before, settings, now);
  if (failure && mayGiveUp(seen, before)) return giveUp(before, failure, now);
  if (settings.paused) return { position: before, decisions: [] };

  const position = forget(before, target, settings);
  if (target === position.stable) return callOff(position);
  if (target === position.failed?.revision) return { position, decisions: [] };
  if (belowFloor(seen.revisions, position, target)) return callOff(position);
  if (target !== position.update) return startDelivery(seen, position, settings, now);
  return goOn(seen, adoptStrategy(seen, position, settings), settings, now);
}

function goOn(
  seen: Observation,
  position: DeliveryPosition,
  settings: DeliverySettings,
  now: number,
): Advance {
  const next = advanceStep(seen, position, settings, now);
  const weight = askedWeight(next.position, settings);
  const asked = { ...next.position, weight };
  const at = { ...asked, scale: scaleOf(seen, asked, settings) };
  if (next.decisions.length > 0 || !promotable(seen, at, settings)) return { ...next, position: at };
  return promote(seen, at, now);
}

/** What was pods' or a person's doing can be gone back from only where there is something to go back to. */
function mayGiveUp(seen: Observation, { stable, update }: DeliveryPosition): boolean {
  return stable !== undefined || view(seen, update!).migration === 'Failed';
}

function giveUp(position: DeliveryPosition, { reason, message }: Failure, now: number): Advance {
  const revision = position.update!;
  const at = new Date(now).toISOString();
  return {
    position: { ...ended(position), failed: { revision, reason, message, at } },
    decisions: [{ type: 'Aborted', revision, reason, message }],
  };
}

/** A failure counts until the spec asks for something else, or somebody asks to try again. */
function forget(
  position: DeliveryPosition,
  target: string,
  { requests }: DeliverySettings,
): DeliveryPosition {
  const { failed, ...rest } = position;
  if (!failed) return position;
  if (requests.retry === `${failed.revision}@${failed.at}`) return askAgain(rest, failed.revision);
  return failed.revision === target ? position : rest;
}

/** A revision that told nothing of the migrations it knows tells it when it is tried again. */
function askAgain(position: DeliveryPosition, name: string): DeliveryPosition {
  const { knownMigrations, ...rest } = position;
  const told = knownMigrations?.filter(({ revision, unreported }) => revision !== name || !unreported);
  return told?.length ? { ...rest, knownMigrations: told } : rest;
}

function callOff(position: DeliveryPosition): Advance {
  if (!position.update) return { position, decisions: [] };
  return { position: ended(position), decisions: [{ type: 'Cancelled', revision: position.update }] };
}

export function startDelivery(
  seen: Observation,
  before: DeliveryPosition,
  settings: DeliverySettings,
  now: number,
): Advance {
  const { target } = seen;
  const stable = before.stable ?? servingInstead(seen);
  const undo = target === before.previous && view(seen, target).ready > 0;
  const startedAt = new Date(now).toISOString();
  const { failedMigrations = 0, lastMigration = 0 } = view(seen, target);
  // Who asks for another try may have a database that lost what an earlier Job did, in a failover.
  const rerunMigrations = seen.position.failed?.revision === target && !undo;
  const attempt = 1 + Math.max(failedMigrations, rerunMigrations ? lastMigration : 0);
  const begun: DeliveryPosition = {
    ...ended(before),
    stable,
    update: target,
    startedAt,
    strategy: settings.strategy,
    ...(undo ? { undo } : {}),
    ...(attempt > 1 ? { attempt } : {}),
    ...(rerunMigrations ? { rerunMigrations } : {}),
  };
  const position = noteProgress(seen, { ...begun, weight: askedWeight(begun, settings) }, settings, now);
  const started: Decision = { type: 'Started', revision: target, ...(undo ? { undo } : {}) };
  const left = pendingContracts(before);
  const cancelled: Decision = { type: 'ContractCancelled', revision: before.stable!, by: target };
  if (!before.update) return { position, decisions: left.length > 0 ? [started, cancelled] : [started] };
  return { position, decisions: [{ type: 'Superseded', revision: before.update, by: target }, started] };
}

/**
 * Before the first promotion there is no stable revision to fall back to: one that
 * serves becomes it. Told from the route, as the status may never have been written.
 */
function servingInstead({ route, revisions, target }: Observation): string | undefined {
  return revisions.find(({ name, ready }) => name !== target && ready > 0 && shareOf(route, name) === 100)
    ?.name;
}

/**
 * The new revision takes over once all of its steps are done, all of its pods are ready, the
 * route, read back, gives it everything, and nothing that judges it has yet to say so.
 */
function promotable(seen: Observation, position: DeliveryPosition, settings: DeliverySettings): boolean {
  const { update, weight = 0 } = position;
  const canary = view(seen, update!);
  if (weight < 100 || hasStepsLeft(position, settings)) return false;
  if (!migrated(canary) || canary.ready < settings.replicas) return false;
  if (settings.replicas > 0 && !hasEverything(seen, update!)) return false;
  return awaitedVerdict(seen, position, settings) === undefined;
}

/** Whether all requests reach the revision: through the route, if the data plane accepts it, and through the Service. */
function hasEverything({ route, routeRejected }: Observation, name: string): boolean {
  const isServed = route?.service === undefined || route.service === name;
  return routeRejected === undefined && shareOf(route, name) === 100 && isServed;
}

function promote(seen: Observation, position: DeliveryPosition, now: number): Advance {
  const { stable, update, startedAt, firstTrafficAt, served = [] } = position;
  const undone = goesBack(seen, position);
  const onRecord = new Set(seen.revisions.map(({ name }) => name));
  const promoted: DeliveryPosition = {
    ...ended(position),
    stable: update,
    startedAt,
    ...(firstTrafficAt ? { firstTrafficAt } : {}),
    // What was undone was undone for a reason: the way back to it is a delivery like any other.
    previous: undone ? undefined : stable,
    served: [...new Set([...served, ...(stable ? [stable] : [])])].filter(
      (name) => name !== update && onRecord.has(name),
    ),
    promotedAt: new Date(now).toISOString(),
  };
  const decision: Decision = {
    type: 'Promoted',
    revision: update!,
    ...(undone ? { undone: stable } : {}),
  };
  return { position: promoted, decisions: [decision] };
}

/**
 * At once or as a delivery like any other: an older revision that was stable before is gone back
 * to. One that is older and never was, as it was aborted then, is delivered for the first time.
 */
function goesBack(seen: Observation, { stable, update, undo, served }: DeliveryPosition): boolean {
  if (undo || !stable) return undo ?? false;
  if (!served?.includes(update!)) return false;
  const { number } = view(seen, update!);
  return number !== undefined && number < (view(seen, stable).number ?? 0);
}

/** What outlives a delivery. */
function ended(position: DeliveryPosition): DeliveryPosition {
  const { stable, previous, served, promotedAt, retiring, failed, knownMigrations, contracted } = position;
  return {
    stable,
    previous,
    ...(served ? { served } : {}),
    promotedAt,
    retiring,
    failed,
    ...(knownMigrations ? { knownMigrations } : {}),
    ...(contracted ? { contracted } : {}),
  };
}

function noteFirstTraffic(seen: Observation, position: DeliveryPosition, now: number): DeliveryPosition {
  if (position.firstTrafficAt || shareInForce(seen, position.update) === 0) return position;
  return { ...position, firstTrafficAt: new Date(now).toISOString() };
}

/** The gate of each PcfApi: its windows and those of PcfWindows, with its override. */
import type { FreezeOutcome } from '../analysis/freeze-queries.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { PcfWindow } from '../api/v1alpha1/pcfwindow.js';
import type { GatedStep } from '../api/v1alpha1/spec/windows.js';
import { windowEnd } from '../delivery/contract-window.js';
import type { Observation } from '../delivery/observation.js';
import { retryId } from '../delivery/request-ids.js';
import { isMigrated } from '../delivery/revision-view.js';
import { pendingContracts } from '../delivery/rollback-floor.js';
import type { WindowSet } from '../delivery/windows/calendar.js';
import { type Gate, gateAt, type Override } from '../delivery/windows/gate.js';
import {
  type IgnoredOverride,
  OVERRIDE_ANNOTATIONS,
  type RequestedOverride,
  requestedOverride,
} from '../delivery/windows/override.js';
import { canonicalJson } from '../runtime/canonical-json.js';
import { keyOf } from '../runtime/store.js';
import { annotationManager } from './attribution.js';

interface Evaluated {
  /** The windows and the override that it was computed from. */
  input: string;
  at: number;
  gate: Gate;
}

/** Evaluates a gate when its windows change or their state does, instead of at each reconcile. */
export class WindowGates {
  private readonly evaluated = new Map<string, Evaluated>();

  /** The gate of a PcfApi at a time of the system clock; undefined without windows. */
  gateOf(
    api: PcfApi,
    windows: readonly PcfWindow[],
    now: number,
    frozen: FreezeOutcome['frozen'] = [],
  ): Gate | undefined {
    const sets = [...windowSetsOf(api, windows), ...frozenSets(api, frozen)];
    const requested = requestedOverride(api.metadata.annotations);
    if (sets.length === 0) {
      this.forget(keyOf(api));
      return undefined;
    }
    const override = requested && !('problem' in requested) ? withManager(api, requested, now) : undefined;
    const gate = this.evaluate(keyOf(api), sets, override, now);
    return requested && 'problem' in requested ? withIgnored(gate, requested, now) : gate;
  }

  forget(key: string): void {
    this.evaluated.delete(key);
  }

  private evaluate(key: string, sets: WindowSet[], override: Override | undefined, now: number): Gate {
    const input = canonicalJson([sets, override]);
    const known = this.evaluated.get(key);
    // A clock that was set back makes an evaluation of the future obsolete.
    if (known?.input === input && known.at <= now && now < known.gate.until) return known.gate;
    const gate = gateAt(sets, override, now);
    this.evaluated.set(key, { input, at: now, gate });
    return gate;
  }
}

/** The windows of the PcfApi itself, and of the PcfWindows that select it. */
export function windowSetsOf({ spec }: PcfApi, windows: readonly PcfWindow[]): WindowSet[] {
  const own = spec.windows ? [{ ...spec.windows, source: 'spec.windows', allowOverride: true }] : [];
  const shared = windows.map(({ metadata, spec: { allow, freeze, applyTo, allowOverride } }) => ({
    ...{ allow, freeze, applyTo, allowOverride },
    source: `PcfWindow ${metadata.name}`,
  }));
  return [...own, ...shared];
}

/**
 * Whether a step of `applyTo` is pending: otherwise no value is measured, and nothing is written. An aborted revision is
 * pending only if its retry is requested.
 */
export function canHoldSteps(
  delivery: Pick<Observation, 'target' | 'position' | 'revisions'>,
  applyTo: readonly GatedStep[],
  retry?: string,
): boolean {
  const pending = pendingSteps(delivery, retry);
  return applyTo.some((step) => pending.includes(step));
}

/** A first revision is never held, see `windowFor`. */
function pendingSteps(
  { target, position, revisions }: Pick<Observation, 'target' | 'position' | 'revisions'>,
  retry: string | undefined,
): GatedStep[] {
  const { stable, update, failed } = position;
  const isAborted = failed?.revision === target && retry !== retryId(position);
  const isDelivering = update !== undefined || (target !== stable && !isAborted);
  const isPrepared = target === update && revisions.some((it) => it.name === update && isMigrated(it));
  return [
    ...(isDelivering && stable !== undefined ? (['Weight', 'Promotion'] as const) : []),
    ...(isDelivering && stable !== undefined && !isPrepared ? (['Start'] as const) : []),
    ...(pendingContracts(position).length > 0 ? (['Contract'] as const) : []),
    ...(windowEnd(position) === undefined ? [] : (['Purge'] as const)),
  ];
}

/** The gate with the last measurements in its report. */
export function withMeasurements(gate: Gate, { measured }: FreezeOutcome): Gate {
  return measured.length > 0 ? { ...gate, report: { ...gate.report, freezeWhen: measured } } : gate;
}

/** Freezes by measured values. Without times, they are in effect until the next measurement. */
function frozenSets({ spec }: PcfApi, frozen: FreezeOutcome['frozen']): WindowSet[] {
  const { applyTo } = spec.windows ?? { applyTo: [] };
  return frozen.map(({ name, reason, opensWhen, isUnmeasured }) => ({
    ...{ allow: [], freeze: [{ reason }], applyTo, opensWhen },
    source: `spec.windows.freezeWhen ${name}`,
    allowOverride: true,
    ...(isUnmeasured ? { isUnmeasured } : {}),
  }));
}

/** An ignored override is reported until its end: after that it would not be in effect, valid or not. */
function withIgnored(gate: Gate, { problem, until }: IgnoredOverride, now: number): Gate {
  if (until !== undefined && until <= now) return gate;
  const problems = [...gate.problems, problem];
  return { ...gate, problems, until: Math.min(gate.until, until ?? Number.POSITIVE_INFINITY) };
}

/** An override that has ended is not in effect. */
function withManager(
  api: PcfApi,
  { from, until, reason }: RequestedOverride,
  now: number,
): Override | undefined {
  if (until <= now) return undefined;
  const by = annotationManager(api, OVERRIDE_ANNOTATIONS.until);
  return { from, until, reason, ...(by ? { by } : {}) };
}

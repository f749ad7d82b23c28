/** The gate of a delivery: which steps windows and freezes hold now, and until when. Pure. */
import { GATED_STEPS, type GatedStep } from '../../api/v1alpha1/spec/windows.js';
import type { WindowsStatus } from '../../api/v1alpha1/status/windows.js';
import {
  nextChange,
  problemsOf,
  type State,
  setsFor,
  stateOf,
  stateOfSet,
  type WindowSet,
} from './calendar.js';

/** An override of a PcfApi that is in effect. */
export interface Override {
  reason: string;
  /** In milliseconds since the epoch; undefined: it has started. */
  from?: number;
  /** In milliseconds since the epoch. */
  until: number;
  /** Field manager that set it. */
  by?: string;
}

/** The part of the gate that the planner reads. */
export interface GateView {
  /** Steps that are held, with the object of "waiting for". */
  held: Partial<Record<GatedStep, string>>;
  /** When the gate must be evaluated again. In milliseconds, more than 0. */
  changesInMs?: number;
}

/** The gate at a time. */
export interface Gate {
  held: GateView['held'];
  /** Those of them that are held only by values that have not been measured yet, which takes some milliseconds. */
  unmeasured: readonly GatedStep[];
  /** The gate does not change before. In milliseconds since the epoch; `Infinity`: it never changes. */
  until: number;
  report: WindowsStatus;
  /** Windows and freezes that cannot be evaluated. */
  problems: readonly string[];
}

/** A clock that is set forward shortens no timer. Therefore the gate is evaluated at least this often. */
const MAX_WAIT_MS = 60_000;

export function gateAt(sets: readonly WindowSet[], override: Override | undefined, now: number): Gate {
  const isPending = override?.from !== undefined && override.from > now;
  const isOverridden = override !== undefined && !isPending && override.until > now;
  const effective = isOverridden ? sets.filter(({ allowOverride }) => !allowOverride) : sets;
  const steps = stepsAt(effective, now);
  const held: Gate['held'] = {};
  for (const [step, { waitingFor }] of steps) if (waitingFor) held[step] = waitingFor;
  const state = stateOf(sets, now);
  const changes = [...steps.values()].flatMap(({ changesAt }) => changesAt ?? []);
  const end = isOverridden ? [override.until] : isPending ? [override.from!] : [];
  const holds = GATED_STEPS.filter((step) => held[step]);
  return {
    held,
    unmeasured: holds.filter((step) => steps.get(step)?.isUnmeasured),
    until: Math.min(...sets.map((set) => stateOfSet(set, now).until), ...end),
    report: {
      state: Object.keys(held).length > 0 ? 'Closed' : isOverridden && !state.isOpen ? 'Overridden' : 'Open',
      ...(holds.length > 0 ? { holds } : {}),
      ...dateField('nextChange', Math.min(...changes, ...end)),
      ...closedBy(state, now),
      ...(isOverridden ? { override: overrideStatus(override) } : {}),
    },
    problems: problemsOf(sets),
  };
}

/** The part of a gate that the planner reads. A time in the past is due at once, but never immediately. */
export function gateView({ held, until }: Pick<Gate, 'held' | 'until'>, now: number): GateView {
  if (!Number.isFinite(until)) return { held };
  return { held, changesInMs: Math.min(MAX_WAIT_MS, Math.max(1, Math.ceil(until - now))) };
}

interface StepGate {
  waitingFor?: string;
  isUnmeasured?: boolean;
  /** The next change between open and closed; undefined if none was found. */
  changesAt?: number;
}

/** Steps that the same sets hold are computed once. */
function stepsAt(sets: readonly WindowSet[], now: number): Map<GatedStep, StepGate> {
  const known = new Map<string, StepGate>();
  const gates = GATED_STEPS.map((step): [GatedStep, StepGate] => {
    const holding = setsFor(sets, step);
    const key = holding.map(({ source }) => source).join();
    const gate = known.get(key) ?? stepAt(holding, now);
    known.set(key, gate);
    return [step, gate];
  });
  return new Map(gates);
}

function stepAt(sets: readonly WindowSet[], now: number): StepGate {
  const state = stateOf(sets, now);
  const changesAt = nextChange(sets, now);
  const change = changesAt === undefined ? {} : { changesAt };
  if (state.isOpen) return change;
  const isUnmeasured = state.closed.every(({ set }) => set.isUnmeasured);
  return { ...change, waitingFor: waitingFor(state, changesAt), isUnmeasured };
}

function waitingFor({ closed }: State, opensAt: number | undefined): string {
  const sources = closed
    .map(({ set, reason }) => (reason ? `${set.source}: ${reason}` : set.source))
    .join('; ');
  const conditions = closed.flatMap(({ set }) => set.opensWhen ?? []);
  if (conditions.length > 0) return `${conditions.join(' and ')} (${sources})`;
  if (opensAt !== undefined) return `the window that opens at ${dateText(opensAt)} (${sources})`;
  return `a change of ${closed.map(({ set }) => set.source).join(' or ')}, because no opening was found (${sources})`;
}

function closedBy({ closed }: State, now: number): Pick<WindowsStatus, 'closedBy'> {
  if (closed.length === 0) return {};
  return {
    closedBy: closed.map(({ set, reason }) => ({
      source: set.source,
      holds: set.applyTo,
      ...(reason ? { reason } : {}),
      ...dateField('until', nextChange([set], now) ?? Number.POSITIVE_INFINITY),
      allowOverride: set.allowOverride,
    })),
  };
}

function overrideStatus({ reason, until, by }: Override): WindowsStatus['override'] {
  return { reason, until: dateText(until), ...(by ? { by } : {}) };
}

function dateField<Name extends string>(name: Name, at: number): Partial<Record<Name, string>> {
  return Number.isFinite(at) ? ({ [name]: dateText(at) } as Record<Name, string>) : {};
}

/** RFC 3339, in UTC, without a fraction of zero. */
function dateText(at: number): string {
  return new Date(at).toISOString().replace('.000Z', 'Z');
}

/** The calendar of windows and freezes: open or closed at a time, and when this changes. Pure, and without state. */
import { durationMs } from '../../api/v1alpha1/kubernetes.js';
import type { GatedStep, Period, Windows } from '../../api/v1alpha1/spec/windows.js';
import { scheduleOf } from './schedule.js';

/** Windows and freezes of one object. */
export interface WindowSet extends Windows {
  /** `spec.windows`, or `PcfWindow <name>`. */
  source: string;
  /** Whether the override of a PcfApi applies. */
  allowOverride: boolean;
  /** What opens it, for a freeze by a measured value: the object of "waiting for". */
  opensWhen?: string;
  /** It is closed because its value has not been measured yet. */
  isUnmeasured?: true;
}

/** State at a time. Times are in milliseconds since the epoch. */
export interface SetState {
  isOpen: boolean;
  /** The state does not change before; `Infinity`: it never changes. */
  until: number;
  /** Reason of the freeze in effect. */
  reason?: string;
}

/** State of several sets: open while all of them are. */
export interface State {
  isOpen: boolean;
  /** The state does not change before. It may stay the same then. */
  until: number;
  closed: readonly (SetState & { set: WindowSet })[];
}

export const DEFAULT_TIME_ZONE = 'UTC';

interface PeriodState {
  isActive: boolean;
  until: number;
}

/** The state of a period. Throws an error if its schedule is invalid. */
function stateOfPeriod(period: Period, at: number): PeriodState {
  const { schedule, duration, timeZone = DEFAULT_TIME_ZONE, start, end } = period;
  if (schedule === undefined || duration === undefined) {
    const from = start === undefined ? Number.NEGATIVE_INFINITY : Date.parse(start);
    const to = end === undefined ? Number.POSITIVE_INFINITY : Date.parse(end);
    if (at < from) return { isActive: false, until: from };
    return at < to ? { isActive: true, until: to } : { isActive: false, until: Number.POSITIVE_INFINITY };
  }
  const starts = scheduleOf(schedule, timeZone);
  const latest = starts.latestStart(at);
  // All occurrences are equally long: the one that started last is the last to end.
  const ends = latest === undefined ? at : latest + durationMs(duration);
  if (at < ends) return { isActive: true, until: ends };
  return { isActive: false, until: starts.nextStart(at) ?? Number.POSITIVE_INFINITY };
}

/** States of a search that moves forward in time. A state is valid until its own end. */
type Known = Map<Period, PeriodState>;

/**
 * A period that cannot be evaluated closes its set: an invalid window is not open, and an invalid freeze is in effect.
 * {@link problemsOf} reports it.
 */
function safeState(period: Period, at: number, isActiveIfInvalid: boolean, known: Known): PeriodState {
  const before = known.get(period);
  if (before && at < before.until) return before;
  let state: PeriodState = { isActive: isActiveIfInvalid, until: Number.POSITIVE_INFINITY };
  try {
    state = stateOfPeriod(period, at);
  } catch {
    // Reported by problemsOf.
  }
  known.set(period, state);
  return state;
}

/** Freezes have precedence over windows. Without windows a set is open except during freezes. */
export function stateOfSet({ allow, freeze }: Windows, at: number, known: Known = new Map()): SetState {
  const freezes = freeze.map((period) => ({ period, ...safeState(period, at, true, known) }));
  const inEffect = freezes.filter(({ isActive }) => isActive);
  if (inEffect.length > 0) {
    const last = inEffect.reduce((a, b) => (b.until > a.until ? b : a));
    return {
      isOpen: false,
      until: last.until,
      ...(last.period.reason ? { reason: last.period.reason } : {}),
    };
  }
  const windows = allow.map((period) => safeState(period, at, false, known));
  const open = windows.filter(({ isActive }) => isActive);
  if (allow.length > 0 && open.length === 0)
    return { isOpen: false, until: Math.min(...windows.map(({ until }) => until)) };
  const nextFreeze = Math.min(...freezes.map(({ until }) => until));
  const lastEnd = allow.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...open.map(({ until }) => until));
  return { isOpen: true, until: Math.min(nextFreeze, lastEnd) };
}

export function stateOf(sets: readonly WindowSet[], at: number, known?: Known): State {
  const states = sets.map((set) => ({ set, ...stateOfSet(set, at, known) }));
  const closed = states.filter(({ isOpen }) => !isOpen);
  // No set opens before its own change, so all of them together do not open before the last of these.
  const until =
    closed.length > 0
      ? Math.max(...closed.map(({ until }) => until))
      : Math.min(...states.map(({ until }) => until));
  return { isOpen: closed.length === 0, until, closed };
}

/** Limits the search, for windows that never overlap. Years for usual schedules. */
const MAX_CHANGES = 100;

/** The first time after `at` with the other state; undefined if there is none, or none was found. */
export function nextChange(sets: readonly WindowSet[], at: number): number | undefined {
  const known: Known = new Map();
  const { isOpen, until } = stateOf(sets, at, known);
  let time = until;
  for (let changes = 0; changes < MAX_CHANGES && Number.isFinite(time); changes++) {
    const next = stateOf(sets, time, known);
    if (next.isOpen !== isOpen) return time;
    time = next.until;
  }
  return undefined;
}

/** The sets that hold a step. */
export function setsFor(sets: readonly WindowSet[], step: GatedStep): WindowSet[] {
  return sets.filter(({ applyTo }) => applyTo.includes(step));
}

/** A message for each period that cannot be evaluated. */
export function problemsOf(sets: readonly WindowSet[]): string[] {
  return sets.flatMap(({ source, allow, freeze }) => [
    ...allow.flatMap((period, index) => problemOf(period, `${source}: allow[${index}]`, 'never opens')),
    ...freeze.flatMap((period, index) => problemOf(period, `${source}: freeze[${index}]`, 'is in effect')),
  ]);
}

function problemOf({ schedule, timeZone = DEFAULT_TIME_ZONE }: Period, where: string, effect: string) {
  if (schedule === undefined) return [];
  try {
    scheduleOf(schedule, timeZone);
    return [];
  } catch (error) {
    const what = `schedule "${schedule}" in time zone ${timeZone}`;
    return [`${where} ${effect} until it is corrected: ${what} is invalid: ${(error as Error).message}`];
  }
}

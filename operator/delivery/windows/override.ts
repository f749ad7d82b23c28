/** The override of windows by annotations of a PcfApi, with a reason, a start and an end. Pure. */
import { GROUP } from '../../api/v1alpha1/pcfapi.js';

/**
 * Annotations of the override: RFC 3339 times of its start and its end, and its reason. With the start, an override that
 * is too long stays invalid: it does not take effect once the rest of it is short enough.
 */
export const OVERRIDE_ANNOTATIONS = {
  from: `${GROUP}/window-override-from`,
  until: `${GROUP}/window-override-until`,
  reason: `${GROUP}/window-override-reason`,
} as const;

/** Maximum duration. An override that does not end would disable the windows silently. */
export const MAX_OVERRIDE_MS = 7 * 24 * 3_600_000;

/** Clocks of clients can be ahead of the operator's: an override that starts within this time has started. */
const CLOCK_SKEW_MS = 60_000;

export interface RequestedOverride {
  /** In milliseconds since the epoch. */
  from: number;
  until: number;
  reason: string;
}

/** An override that is ignored. */
export interface IgnoredOverride {
  problem: string;
  /** Its end, after which it is over in any case. In milliseconds since the epoch; undefined: it has no valid end. */
  until?: number;
}

/**
 * The requested override, which may not have started or may have ended; a problem, if it is ignored; undefined if there
 * is none. The result does not depend on the time.
 */
export function requestedOverride(
  annotations: Record<string, string> = {},
): RequestedOverride | IgnoredOverride | undefined {
  const {
    [OVERRIDE_ANNOTATIONS.from]: start,
    [OVERRIDE_ANNOTATIONS.until]: end,
    [OVERRIDE_ANNOTATIONS.reason]: text,
  } = annotations;
  if (start === undefined && end === undefined && text === undefined) return undefined;
  const reason = text?.trim();
  const [from, until] = [timeOf(start), timeOf(end)];
  const ignored = (why: string): IgnoredOverride => ({
    problem: `the window override is ignored: ${why}; set all three with: kubectl pcf window override`,
    ...endOf(from, until),
  });
  if (!reason) return ignored(`annotation ${OVERRIDE_ANNOTATIONS.reason} is missing or empty`);
  for (const [time, annotation] of [
    [from, OVERRIDE_ANNOTATIONS.from],
    [until, OVERRIDE_ANNOTATIONS.until],
  ] as const) {
    if (Number.isNaN(time))
      return ignored(`annotation ${annotation} must be a time such as 2026-12-24T18:00:00Z`);
  }
  if (until <= from) return ignored(`its end ${end} is not after its start ${start}`);
  if (until - from > MAX_OVERRIDE_MS)
    return ignored(`it must not be longer than 7 days, and lasts from ${start} to ${end}`);
  return { from: from - CLOCK_SKEW_MS, until, reason: reason.slice(0, 1_024) };
}

/** Both times are in the past then. A start that is invalid or missing does not count. */
function endOf(from: number, until: number): { until?: number } {
  if (Number.isNaN(until)) return {};
  return { until: Number.isNaN(from) ? until : Math.max(from, until) };
}

function timeOf(text = ''): number {
  return RFC_3339.test(text) ? Date.parse(text) : Number.NaN;
}

const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/;

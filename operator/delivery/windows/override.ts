/** The override of windows by annotations of a PcfApi, with a reason and an end. Pure. */
import { GROUP } from '../../api/v1alpha1/pcfapi.js';

/** Annotations of the override: RFC 3339 time of its end, and its reason. */
export const OVERRIDE_ANNOTATIONS = {
  until: `${GROUP}/window-override-until`,
  reason: `${GROUP}/window-override-reason`,
} as const;

/** Maximum duration. An override that does not end would disable the windows silently. */
export const MAX_OVERRIDE_MS = 7 * 24 * 3_600_000;

export interface RequestedOverride {
  until: number;
  reason: string;
}

/** The requested override, which may have ended; a problem, if it is ignored; undefined if there is none. */
export function requestedOverride(
  annotations: Record<string, string> = {},
  now: number,
): RequestedOverride | { problem: string } | undefined {
  const { [OVERRIDE_ANNOTATIONS.until]: end, [OVERRIDE_ANNOTATIONS.reason]: text } = annotations;
  if (end === undefined && text === undefined) return undefined;
  const reason = text?.trim();
  if (!reason) return { problem: ignored(`annotation ${OVERRIDE_ANNOTATIONS.reason} is missing or empty`) };
  const until = RFC_3339.test(end ?? '') ? Date.parse(end!) : Number.NaN;
  if (Number.isNaN(until))
    return {
      problem: ignored(
        `annotation ${OVERRIDE_ANNOTATIONS.until} must be a time such as 2026-12-24T18:00:00Z`,
      ),
    };
  if (until - now > MAX_OVERRIDE_MS)
    return { problem: ignored(`it must end within 7 days, and ${OVERRIDE_ANNOTATIONS.until} is ${end}`) };
  return { until, reason: reason.slice(0, 1_024) };
}

const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/;

function ignored(why: string): string {
  return `the window override is ignored: ${why}; set both with: kubectl pcf window override`;
}

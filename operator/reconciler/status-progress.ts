/** Which changes of a status can be written later: while pods start, each of them would cost a write. */
import type { PcfApiStatus } from '../api/v1alpha1/status.js';
import { canonicalJson } from '../runtime/canonical-json.js';

/** Minimum time between two writes of a status that differ only in what users read. In milliseconds. */
const SHOWN_INTERVAL_MS = 1_000;
/**
 * The same for what progressDeadline is counted from, which is minutes: it is counted from the time that is written, up to
 * this much later than the progress.
 */
const DEADLINE_INTERVAL_MS = 10_000;
/** Longest result of {@link progressIntervalMs}. */
export const LONGEST_INTERVAL_MS = DEADLINE_INTERVAL_MS;

/**
 * The milliseconds after the last write before the difference of two statuses is written. Only the number of ready pods,
 * messages, which report it too, and the record of the last progress can wait. All else is written at once (0): a phase,
 * a condition, the weight, a step of the delivery, and the messages of Degraded, which are announced as Events when they
 * are written. Also 0 if there is no difference: nothing is due later.
 */
export function progressIntervalMs(before: PcfApiStatus | undefined, after: PcfApiStatus): number {
  if (!before || isSame(before, after)) return 0;
  const [old, fresh] = [withoutDeadline(before, before), withoutDeadline(after, before)];
  if (isSame(old, fresh)) return DEADLINE_INTERVAL_MS;
  return isSame(withoutProgress(old), withoutProgress(fresh)) ? SHOWN_INTERVAL_MS : 0;
}

function isSame(one: object, other: object): boolean {
  return canonicalJson(one) === canonicalJson(other);
}

/** Without its first scale, too: until the status has one, it is the number of pods for the whole traffic. */
function withoutDeadline(status: PcfApiStatus, before: PcfApiStatus): PcfApiStatus {
  if (!status.delivery) return status;
  const { progress: _progress, readySince: _since, scale, ...delivery } = status.delivery;
  const isFirstScale = before.delivery?.scale === undefined;
  return { ...status, delivery: { ...delivery, ...(isFirstScale ? {} : { scale }) } };
}

function withoutProgress(status: PcfApiStatus): object {
  const { readyReplicas: _ready, conditions = [], traffic, revisions = [], ...rest } = status;
  const { reason: _reason, ...weights } = traffic ?? {};
  return {
    ...rest,
    weights,
    conditions: conditions.map(({ message, ...condition }) =>
      condition.type === 'Degraded' ? { ...condition, message } : condition,
    ),
    revisions: revisions.map(({ readyReplicas: _, workers, ...revision }) => {
      const { readyReplicas: _ready, share: _share, ...planned } = workers ?? {};
      return { ...revision, planned };
    }),
  };
}

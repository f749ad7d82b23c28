/** A simulated delivery: steps with holds, judged by rules. Times are in seconds. */
import type { Look, Metric, Rules } from './rules.js';
import { TICK, type Traffic } from './traffic.js';

export const STEPS = [
  { weight: 0.05, hold: 300 },
  { weight: 0.25, hold: 600 },
  { weight: 0.5, hold: 600 },
] as const;
/** A delivery that is not decided after this time per step waits for a human. */
export const TIME_BUDGET = 3_600;

export interface Ending {
  outcome: 'aborted' | 'promoted' | 'undecided';
  /** Requests that the new revision received until then. */
  exposed: number;
  seconds: number;
}

interface Counts {
  metric: Metric;
  bad: number;
  /** At this step. */
  good: number;
  isLastGood: boolean;
}

export function deliver({ metrics }: Rules, traffic: Traffic): Ending {
  const counts: Counts[] = metrics().map((metric) => ({ metric, bad: 0, good: 0, isLastGood: false }));
  let [step, since] = [0, 0];
  const end = (outcome: Ending['outcome'], now: number) => ({
    ...{ outcome, exposed: traffic.exposed(), seconds: now },
  });
  for (let now = TICK; ; now += TICK) {
    const { weight, hold } = STEPS[step]!;
    traffic.advance(now, weight);
    for (const one of counts) measure(one, { traffic, now, step, since, steps: STEPS.length });
    if (counts.some(({ bad, metric }) => bad > metric.failureLimit)) return end('aborted', now);
    if (now - since >= hold && counts.every(isPassed)) {
      step += 1;
      since = now;
      for (const one of counts) Object.assign(one, { good: 0, isLastGood: false });
      if (step === STEPS.length) return end('promoted', now);
    } else if (now - since >= TIME_BUDGET) return end('undecided', now);
  }
}

function measure(one: Counts, look: Look): void {
  const { interval, delay, measure: run } = one.metric;
  if (look.now < delay || (look.now - delay) % interval !== 0) return;
  const result = run(look);
  one.isLastGood = result === 'good';
  if (result === 'good') one.good += 1;
  if (result === 'bad') one.bad += 1;
}

/** A tolerated failure counts as a measurement, as in the operator. */
function isPassed({ good, isLastGood, metric }: Counts): boolean {
  return isLastGood && good >= metric.count;
}

/** The smallest regression that a sequential test can detect with the requests that it will have. */
import { type Alternative, evidenceOfMore, type TwoCounts } from './two-proportions.js';

/** Quantile of the standard normal distribution: a detection with a probability of 95 %. */
const QUANTILE = 1.645;

/**
 * Smallest increase of the share of events that is detected with a probability of about 95 % when the numbers of
 * requests have grown by `factor`. 1 if none is. `limit`: evidence that the test needs.
 */
export function detectableEffect(
  { canary, stable }: TwoCounts,
  alternatives: readonly Alternative[],
  limit: number,
  factor: number,
): number {
  const trials = canary.trials * factor;
  const ofStable = { trials: stable.trials * factor, events: stable.events * factor };
  const share = (stable.events + 0.5) / (stable.trials + 1);
  const isDetected = (effect: number) => {
    const worse = Math.min(1, share + effect);
    const unlucky = trials * worse - QUANTILE * Math.sqrt(trials * worse * (1 - worse));
    const ofCanary = { trials, events: Math.max(0, unlucky) };
    return evidenceOfMore({ canary: ofCanary, stable: ofStable }, 0, alternatives) >= limit;
  };
  let [missed, detected] = [0, 1 - share];
  if (!isDetected(detected)) return 1;
  for (let i = 0; i < 20; i++) {
    const middle = (missed + detected) / 2;
    if (isDetected(middle)) detected = middle;
    else missed = middle;
  }
  return detected;
}

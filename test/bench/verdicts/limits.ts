/**
 * Limits of any test: what is possible with the same requests, if the shares of the stable revision and of the worse
 * one were known, and Prometheus had no delay. A test that has to find them out needs more.
 */
import { poisson, uniform } from './random.js';
import { errorShare, histogramShares, type Scenario } from './traffic.js';

/** Error probabilities: of a false abort, and of a missed regression. */
const ALPHA = 0.01;
const MISSED = 0.05;

/**
 * Expected number of requests of the worse revision until any sequential test with these error probabilities has
 * decided: Wald (1945), Sequential Tests of Statistical Hypotheses, section 4.7.
 */
export function leastRequests(scenario: Scenario): number {
  const [stable, worse] = outcomes(scenario);
  const perRequest = worse.reduce((sum, share, index) => sum + term(share, share, stable[index]!), 0);
  const [found, missed] = [
    (1 - MISSED) * Math.log((1 - MISSED) / ALPHA),
    MISSED * Math.log(MISSED / (1 - ALPHA)),
  ];
  return (found + missed) / perRequest;
}

/**
 * Largest probability of a detection with this number of requests: the most powerful test of two simple hypotheses
 * (Neyman and Pearson), which is evaluated once, at the end. By simulation, with the exact distribution of counts.
 */
export function largestPower(scenario: Scenario, requests: number, runs = 20_000): number {
  const [stable, worse] = outcomes(scenario);
  const random = uniform(1);
  const ratios = (shares: readonly number[]) =>
    Array.from({ length: runs }, () =>
      shares.reduce((sum, share, index) => {
        const count = poisson(requests * share, random);
        return sum + term(count, worse[index]!, stable[index]!);
      }, 0),
    );
  const limit = ratios(stable).toSorted((a, b) => a - b)[Math.ceil(runs * (1 - ALPHA)) - 1]!;
  return ratios(worse).filter((ratio) => ratio > limit).length / runs;
}

/** Shares of the outcomes of a request that the scenario changes: errors, or buckets of the histogram. */
function outcomes(scenario: Scenario): [number[], number[]] {
  const equal = { ...scenario, moreErrors: 0, slower: 1 };
  const of = (it: Scenario) =>
    scenario.moreErrors > 0 ? [errorShare(it), 1 - errorShare(it)] : histogramShares(it);
  return [of(equal), of(scenario)];
}

function term(count: number, share: number, other: number): number {
  return count === 0 || share === other ? 0 : count * Math.log(share / other);
}

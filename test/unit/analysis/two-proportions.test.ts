import assert from 'node:assert/strict';
import fc from 'fast-check';
import { logBeta, logGamma, logSumExp } from '../../../operator/analysis/sequential/log-beta.js';
import {
  confidenceBounds,
  evidenceOfBounded,
  evidenceOfWorse,
  mixtures,
  type TwoCounts,
} from '../../../operator/analysis/sequential/two-proportions.js';
import { poisson, seedOf, uniform } from '../../bench/verdicts/random.js';
import { propertyRuns } from '../../support/runner/property-runs.js';

const ALPHA = 0.1;
const MIN_EFFECT = 0.02;
const prior = { history: { trials: 10_000, events: 100 }, minEffect: MIN_EFFECT };

/** Share of events of both revisions and share of requests of the canary, during one block of requests. */
interface Block {
  requests: number;
  split: number;
  canary: number;
  stable: number;
}

/** Counts after each block of a trace. */
function* trace(seed: number, blocks: readonly Block[]): Generator<TwoCounts> {
  const random = uniform(seedOf(7, seed));
  const [canary, stable] = [
    { trials: 0, events: 0 },
    { trials: 0, events: 0 },
  ];
  for (const block of blocks) {
    for (const [of, share, rate] of [
      [canary, block.split, block.canary],
      [stable, 1 - block.split, block.stable],
    ] as const) {
      const events = poisson(block.requests * share * rate, random);
      of.events += events;
      of.trials += events + poisson(block.requests * share * (1 - rate), random);
    }
    if (canary.trials > 0 && stable.trials > 0) yield { canary: { ...canary }, stable: { ...stable } };
  }
}

/** Share of the traces in which one of the evaluations after each block satisfies the condition. */
function everShare(traces: number, blocks: Block[], holds: (counts: TwoCounts) => boolean): number {
  const seeds = Array.from({ length: traces }, (_, seed) => seed);
  return seeds.filter((seed) => [...trace(seed, blocks)].some(holds)).length / traces;
}

const isWorse = (counts: TwoCounts) =>
  evidenceOfWorse(counts, 0, mixtures(counts, prior)) >= -Math.log(ALPHA);
const isBounded = (counts: TwoCounts) =>
  evidenceOfBounded(counts, MIN_EFFECT, mixtures(counts, prior)) >= -Math.log(ALPHA);

const blocks = (count: number, of: Partial<Block> | ((index: number) => Partial<Block>)): Block[] =>
  Array.from({ length: count }, (_, index) => ({
    ...{ requests: 200, split: 0.2, canary: 0.01, stable: 0.01 },
    ...(typeof of === 'function' ? of(index) : of),
  }));

describe('sequential test of two proportions, evaluated after each of 60 blocks', () => {
  const TRACES = 400;

  it('falsely rejects equal revisions with at most alpha, also when an incident affects both', () => {
    assert.ok(everShare(TRACES, blocks(60, {}), isWorse) <= ALPHA);
    const incident = (index: number) => {
      const rate = index >= 20 && index < 30 ? 0.4 : 0.001;
      return { canary: rate, stable: rate };
    };
    assert.ok(everShare(TRACES, blocks(60, incident), isWorse) <= ALPHA);
  });

  it('falsely rejects with at most alpha when the split changes at a constant rate of events', () => {
    const raised = (index: number) => ({ split: 0.05 + (0.9 * index) / 60 });
    assert.ok(everShare(TRACES, blocks(60, raised), isWorse) <= ALPHA);
  });

  it('would reject equal revisions if counts of different weights were added up during an incident', () => {
    const both = (index: number) => {
      const rate = index < 30 ? 0.001 : 0.05;
      return { split: index < 30 ? 0.05 : 0.5, canary: rate, stable: rate };
    };
    assert.equal(everShare(20, blocks(60, both), isWorse), 1);
  });

  it('covers the true difference in all evaluations with at least 1 - alpha', () => {
    const worse = blocks(60, { canary: 0.03 });
    const uncovered = everShare(100, worse, (counts) => {
      const alpha = { lower: ALPHA / 2, upper: ALPHA / 2 };
      const { lower, upper } = confidenceBounds(counts, mixtures(counts, prior), alpha);
      return lower > 0.02 || upper < 0.02;
    });
    assert.ok(uncovered <= ALPHA, `${uncovered}`);
  });

  it('rejects a worse revision, passes an equal one, and does not pass one that is worse by minEffect', () => {
    assert.ok(everShare(100, blocks(60, { canary: 0.04 }), isWorse) >= 0.95);
    assert.ok(everShare(100, blocks(60, {}), isBounded) >= 0.95);
    assert.ok(everShare(TRACES, blocks(60, { canary: 0.01 + MIN_EFFECT }), isBounded) <= ALPHA);
  });

  it('is also valid when the history of the stable revision was different', () => {
    const drifted = blocks(60, { canary: 0.2, stable: 0.2 });
    assert.ok(everShare(TRACES, drifted, isWorse) <= ALPHA);
  });
});

describe('confidence bounds of two proportions', () => {
  const counts = fc
    .record({
      canaryTrials: fc.integer({ min: 1, max: 1_000_000_000 }),
      stableTrials: fc.integer({ min: 1, max: 1_000_000_000 }),
      canaryShare: fc.constantFrom(0, 1e-6, 0.001, 0.01, 0.3, 1),
      stableShare: fc.constantFrom(0, 1e-6, 0.001, 0.01, 0.3, 1),
    })
    .map(({ canaryTrials, stableTrials, canaryShare, stableShare }) => ({
      canary: { trials: canaryTrials, events: Math.round(canaryTrials * canaryShare) },
      stable: { trials: stableTrials, events: Math.round(stableTrials * stableShare) },
    }));
  const alpha = { lower: 0.01, upper: 0.01 };
  const bounds = (of: TwoCounts) => confidenceBounds(of, mixtures(of, prior), alpha);

  it('are numbers that contain the observed difference, for counts from 1 to a billion', () => {
    fc.assert(
      fc.property(counts, (of) => {
        const { lower, upper } = bounds(of);
        const observed = of.canary.events / of.canary.trials - of.stable.events / of.stable.trials;
        assert.ok(lower >= -1 && upper <= 1, `${lower} ${upper}`);
        assert.ok(lower <= observed && observed <= upper, `${lower} ${observed} ${upper}`);
      }),
      { numRuns: propertyRuns(1_000) },
    );
  });

  it('agree with the evidence at 0 and at minEffect', () => {
    fc.assert(
      fc.property(counts, (of) => {
        const likelihoods = mixtures(of, prior);
        const { lower, upper } = bounds(of);
        const limit = -Math.log(0.01);
        if (evidenceOfWorse(of, 0, likelihoods) > limit + 1e-3) assert.ok(lower >= 0);
        else if (evidenceOfWorse(of, 0, likelihoods) < limit - 1e-3) assert.ok(lower <= 0);
        if (evidenceOfBounded(of, MIN_EFFECT, likelihoods) > limit + 1e-3) assert.ok(upper <= MIN_EFFECT);
        else if (evidenceOfBounded(of, MIN_EFFECT, likelihoods) < limit - 1e-3)
          assert.ok(upper >= MIN_EFFECT);
      }),
      { numRuns: propertyRuns(1_000) },
    );
  });

  it('give more evidence against a canary with more events', () => {
    const of = (events: number) => ({
      canary: { trials: 1_000, events },
      stable: { trials: 20_000, events: 200 },
    });
    const lowers = [10, 20, 30, 50, 100, 500, 1_000].map((events) => bounds(of(events)).lower);
    assert.deepEqual(
      lowers,
      lowers.toSorted((a, b) => a - b),
    );
    assert.ok(lowers[0]! < 0 && lowers.at(-1)! > 0.9);
  });

  it('narrow with the number of requests', () => {
    const widths = [100, 1_000, 10_000, 1_000_000].map((trials) => {
      const { lower, upper } = bounds({
        canary: { trials, events: trials / 100 },
        stable: { trials: trials * 10, events: trials / 10 },
      });
      return upper - lower;
    });
    assert.deepEqual(
      widths,
      widths.toSorted((a, b) => b - a),
    );
    assert.ok(widths.at(-1)! < 0.002);
  });
});

describe('logarithms of beta functions', () => {
  it('agree with known values, and stay finite for large arguments', () => {
    for (const [x, expected] of [
      [1, 0],
      [0.5, Math.log(Math.sqrt(Math.PI))],
      [11, Math.log(3_628_800)],
      [1e-3, 6.907_178_885_383_854],
    ] as const)
      assert.ok(Math.abs(logGamma(x) - expected) < 1e-10, `${x}: ${logGamma(x)}`);
    assert.ok(Math.abs(logBeta(2, 3) + Math.log(12)) < 1e-12);
    assert.ok(Number.isFinite(logBeta(1e12, 1e12)));
    assert.equal(logSumExp([]), Number.NEGATIVE_INFINITY);
    assert.ok(Math.abs(logSumExp([-1e6, -1e6]) - (-1e6 + Math.log(2))) < 1e-6);
  });
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { equalAlternatives, worseAlternatives } from '../../../operator/analysis/sequential/alternatives.js';
import { detectableEffect } from '../../../operator/analysis/sequential/detectable-effect.js';
import { evidenceAfter, limitOf } from '../../../operator/analysis/sequential/evidence.js';
import { logSumExp } from '../../../operator/analysis/sequential/logarithms.js';
import {
  evidenceOfLess,
  evidenceOfMore,
  lowerBound,
  type TwoCounts,
  upperBound,
} from '../../../operator/analysis/sequential/two-proportions.js';
import { poisson, seedOf, uniform } from '../../bench/verdicts/random.js';
import { propertyRuns } from '../../support/runner/property-runs.js';

const ALPHA = 0.1;
const MIN_EFFECT = 0.02;
const prior = { history: { trials: 10_000, events: 100 }, minEffect: MIN_EFFECT };
const [ofWorse, ofEqual] = [worseAlternatives(prior), equalAlternatives(prior)];

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

const LIMIT = -Math.log(ALPHA);
const isWorse = (counts: TwoCounts) => evidenceOfMore(counts, 0, ofWorse) >= LIMIT;
const isBounded = (counts: TwoCounts) => evidenceOfLess(counts, MIN_EFFECT, ofEqual) >= LIMIT;

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
    const limit = -Math.log(ALPHA / 2);
    const uncovered = everShare(
      100,
      worse,
      (counts) =>
        evidenceOfMore(counts, 0.02, ofWorse) >= limit || evidenceOfLess(counts, 0.02, ofEqual) >= limit,
    );
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
  const limit = -Math.log(0.01);
  const bounds = (of: TwoCounts) => ({
    lower: lowerBound(of, ofWorse, { limit, decisive: 0 }),
    upper: upperBound(of, ofEqual, { limit, decisive: MIN_EFFECT }),
  });

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
        const { lower, upper } = bounds(of);
        const [more, less] = [evidenceOfMore(of, 0, ofWorse), evidenceOfLess(of, MIN_EFFECT, ofEqual)];
        if (more > limit + 1e-3) assert.ok(lower >= 0);
        else if (more < limit - 1e-3) assert.ok(lower <= 0);
        if (less > limit + 1e-3) assert.ok(upper <= MIN_EFFECT);
        else if (less < limit - 1e-3) assert.ok(upper >= MIN_EFFECT);
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
    assert.ok(lowers[0]! < 0 && lowers.at(-1)! > 0.4, `${lowers}`);
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
    assert.ok(widths.at(-1)! < MIN_EFFECT, `${widths}`);
  });
});

describe('evidence over the tests of a delivery', () => {
  it('falsely rejects with at most alpha in total, when the test restarts after every fifth block', () => {
    const everRejects = (seed: number) => {
      let earlier = 0;
      for (let test = 0; test < 12; test++) {
        let after = earlier;
        for (const counts of trace(seed * 100 + test, blocks(5, {}))) {
          const found = evidenceOfMore(counts, 0, ofWorse);
          if (found >= limitOf(ALPHA, earlier, 1)) return true;
          after = evidenceAfter(earlier, found);
        }
        earlier = after;
      }
      return false;
    };
    const rejected = Array.from({ length: 400 }, (_, seed) => seed).filter(everRejects).length;
    assert.ok(rejected / 400 <= ALPHA, `${rejected}`);
  });

  it('keeps a part after a test without a regression, and adds that of a regression to the next test', () => {
    assert.ok(evidenceAfter(0, -1_000) > Math.log(0.25));
    assert.ok(evidenceAfter(evidenceAfter(0, 3), 3) > 5);
    assert.ok(limitOf(0.01, 3, 1) < limitOf(0.01, 0, 1));
    assert.ok(Math.abs(limitOf(0.01, 0, 0.5) - limitOf(0.01, 0, 1) - Math.log(2)) < 1e-12);
    assert.equal(limitOf(0.01, 10, 1), Number.NEGATIVE_INFINITY);
  });
});

describe('smallest detectable effect', () => {
  const counts = { canary: { trials: 500, events: 5 }, stable: { trials: 9_500, events: 95 } };
  const limit = -Math.log(0.01);
  const detectable = (factor: number) => detectableEffect(counts, ofWorse, limit, factor);

  it('decreases with the number of requests', () => {
    const effects = [1, 2, 10, 100].map(detectable);
    assert.deepEqual(
      effects,
      effects.toSorted((a, b) => b - a),
    );
    assert.ok(effects[0]! < 0.1 && effects[3]! < 0.005, `${effects}`);
    assert.equal(detectableEffect(counts, ofWorse, limit, 1e-3), 1);
  });

  it('is detected in about 95 % of the traces', () => {
    const effect = detectable(10);
    const last = { requests: 10_000, split: 0.05, stable: 0.01, canary: 0.01 + effect };
    const share = everShare(
      400,
      Array.from({ length: 10 }, () => last),
      (of) => evidenceOfMore(of, 0, ofWorse) >= limit,
    );
    assert.ok(share >= 0.92 && share <= 0.99, `${share}`);
  });
});

describe('sum of likelihoods', () => {
  it('of logarithms is finite for any of them', () => {
    assert.equal(logSumExp([]), Number.NEGATIVE_INFINITY);
    assert.ok(Math.abs(logSumExp([-1e6, -1e6]) - (-1e6 + Math.log(2))) < 1e-6);
  });
});

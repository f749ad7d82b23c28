/** Collects the steps of a canary. */

import { durationMs } from '../../../operator/api/v1alpha1/kubernetes.js';
import type { Conversion } from '../conversion.js';
import type { Field } from '../source.js';
import { formatDuration } from './go-duration.js';

const PATH = ['strategy', 'canary', 'steps'];
/** Maximum number of steps of a PcfApi. */
export const MAX_STEPS = 32;

interface Step {
  weight: number;
  hold?: string;
  pause?: boolean;
  analysis?: string[];
}

interface SourcedStep {
  step: Step;
  sources: Field[];
}

export class Steps {
  #steps: SourcedStep[] = [];
  #weight = 0;

  get isEmpty(): boolean {
    return this.#steps.length === 0;
  }

  /** Highest weight below 100, in percent. */
  get maxWeight(): number {
    return Math.max(0, ...this.#steps.map(({ step }) => step.weight).filter((weight) => weight < 100));
  }

  /** Starts a step with another weight. */
  setWeight(weight: number, source: Field): void {
    this.#weight = weight;
    this.#steps.push({ step: { weight }, sources: [source] });
  }

  /**
   * Waits at the current weight. A step waits once: for a time, for a promotion or for an analysis. Another
   * wait is another step, so that the order remains. One promotion ends all pauses that follow each other.
   */
  wait(wait: Omit<Step, 'weight'>, source: Field): void {
    const last = this.#steps.at(-1);
    if (last && (Object.keys(last.step).length === 1 || (last.step.pause && wait.pause))) {
      Object.assign(last.step, wait);
      last.sources.push(source);
    } else this.#steps.push({ step: { weight: this.#weight, ...wait }, sources: [source] });
  }

  /** Makes the first or last step wait for a manual promotion. */
  pauseAt(position: 'first' | 'last' | 'every', source: Field): void {
    const steps =
      position === 'every' ? this.#steps : this.#steps.slice(...(position === 'first' ? [0, 1] : [-1]));
    for (const { step, sources } of steps) {
      step.pause = true;
      sources.push(source);
    }
  }

  /** Writes the steps to the spec. More than {@link MAX_STEPS} are combined, which `list` reports. */
  write(conversion: Conversion, list: Field): void {
    const size = Math.ceil(this.#steps.length / MAX_STEPS);
    if (size > 1) reportCombined(list, this.#steps.length, size);
    for (let at = 0; at < this.#steps.length; at += Math.max(1, size)) {
      const { step, sources } = combine(this.#steps.slice(at, at + Math.max(1, size)));
      conversion.spec.append(PATH, step, ...sources);
    }
  }
}

function reportCombined(list: Field, count: number, size: number): void {
  list.remark(
    'Changed',
    `${count} steps are more than ${MAX_STEPS}: each ${size} become one, with the first weight and the sum of the times`,
    'check spec.strategy.canary.steps',
  );
}

function combine(steps: readonly SourcedStep[]): SourcedStep {
  const [first, ...others] = steps.map(({ step }) => step);
  if (others.length === 0) return steps[0]!;
  const all = [first!, ...others];
  const hold = all.reduce((sum, step) => sum + (step.hold ? durationMs(step.hold) : 0), 0);
  const analysis = [...new Set(all.flatMap((step) => step.analysis ?? []))];
  return {
    step: {
      weight: first!.weight,
      ...(hold > 0 ? { hold: formatDuration(hold) } : {}),
      ...(all.some(({ pause }) => pause) ? { pause: true } : {}),
      ...(analysis.length > 0 ? { analysis } : {}),
    },
    sources: steps.flatMap(({ sources }) => sources),
  };
}

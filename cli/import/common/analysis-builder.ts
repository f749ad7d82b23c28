/** Collects the metrics of an analysis: unique names, one Prometheus server, validation of each metric. */
import { analysis, PLACEHOLDERS } from '../../../operator/api/v1alpha1/spec/analysis.js';
import type { Conversion } from '../conversion.js';
import type { Field, Path } from '../source.js';

/** Placeholder in a result that the user must replace. It is the URL that the documentation uses. */
const DEFAULT_PROMETHEUS = 'http://prometheus-operated.monitoring:9090';

export type Metric = { name: string } & Record<string, unknown>;

export class AnalysisBuilder {
  readonly #names = new Set<string>();
  #prometheus?: string;
  /** Fields for the URL of Prometheus that metrics lack. */
  readonly #withoutUrl: Field[] = [];

  /** `path`: the analysis in the spec, such as `strategy.canary.analysis`. */
  constructor(
    readonly conversion: Conversion,
    readonly path: Path,
  ) {}

  get isEmpty(): boolean {
    return this.#names.size === 0;
  }

  /**
   * Adds a metric and returns its name, or reports `source` and returns undefined if its values are not
   * valid in a PcfApi.
   */
  add(metric: Metric, source: Field): string | undefined {
    const named = { ...metric, name: this.#uniqueName(metric.name) };
    const given = JSON.parse(JSON.stringify(named)) as Metric; // without undefined values
    const result = analysis.safeParse({ metrics: [given] });
    if (!result.success) {
      const [issue] = result.error.issues;
      source.note(
        'NotConverted',
        `${issue!.path.slice(2).join('.')}: ${issue!.message}`,
        'set a valid value',
      );
      return undefined;
    }
    this.#names.add(given.name);
    this.conversion.spec.append([...this.path, 'metrics'], given, source);
    return given.name;
  }

  /**
   * Chooses the URL of Prometheus, and returns whether it is the URL of all metrics so far. `address` is the
   * field that has or lacks it: the metric then uses the URL of the others.
   */
  usePrometheus(address: Field, url: string | undefined): boolean {
    if (!url) this.#withoutUrl.push(address);
    else if (this.#prometheus !== undefined && this.#prometheus !== url) return false;
    else this.#prometheus = url;
    return true;
  }

  /** Writes the URL of Prometheus. Call it after the last metric. */
  finish(): void {
    const [address] = this.#withoutUrl;
    if (this.isEmpty || (!address && !this.#prometheus)) return;
    const given = this.#prometheus ?? this.conversion.options.prometheus;
    const url = given ?? DEFAULT_PROMETHEUS;
    this.conversion.spec.set([...this.path, 'prometheus', 'url'], url);
    if (given === undefined)
      address!.report('Required', `the input has no URL of Prometheus: it is ${url}`, 'set --prometheus');
  }

  #uniqueName(name: string): string {
    const label = name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .slice(0, 60)
      .replace(/^-+|-+$/g, '');
    const base = label || 'metric';
    for (let number = 1; ; number++) {
      const candidate = number === 1 ? base : `${base}-${number}`;
      if (!this.#names.has(candidate)) return candidate;
    }
  }
}

/** Whether a query contains templates that the operator does not replace. */
export function hasUnknownTemplate(query: string): boolean {
  return PLACEHOLDERS.reduce<string>((rest, placeholder) => rest.replaceAll(placeholder, ''), query).includes(
    '{{',
  );
}

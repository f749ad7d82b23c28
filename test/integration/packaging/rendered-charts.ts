/** The objects that the Helm charts render. */
import assert from 'node:assert/strict';
import type { KubeObject } from '../../../operator/runtime/kube-client.js';
import type { Helm } from '../../../sandbox/helm/helm.js';
import { HELM_TIMEOUT_MS, objectsIn, testHelm } from '../../support/cluster/helm.js';

export interface PodSpec {
  serviceAccountName: string;
  securityContext: object;
  containers: { image: string; env: { name: string; value?: string }[]; securityContext: object }[];
}

export class RenderedCharts {
  /** Set before the first test of the suite. */
  helm!: Helm;

  async render(chart: string, ...flags: string[]): Promise<KubeObject[]> {
    const args = ['template', 'pcf', chart, '--namespace', 'pcf-system', ...flags];
    return objectsIn(await this.helm.run(args));
  }

  /** Asserts that the chart rejects the values. */
  refused(chart: string, set: string, message: RegExp): Promise<void> {
    return assert.rejects(this.render(chart, '--set', set), (error: Error) => {
      assert.match(error.message, message);
      return true;
    });
  }
}

/** Registers hooks that provide the charts to the tests of a suite. */
export function useCharts(): RenderedCharts {
  const charts = new RenderedCharts();
  let remove = () => {};
  before(async function () {
    this.timeout(HELM_TIMEOUT_MS);
    ({ helm: charts.helm, remove } = await testHelm());
  });
  after(() => remove());
  return charts;
}

export const find = (objects: KubeObject[], kind: string) => objects.find((object) => object.kind === kind);

export const podSpecOf = (objects: KubeObject[]) =>
  (find(objects, 'Deployment')!.spec as { template: { spec: PodSpec } }).template.spec;

/** The environment variables of the operator's container, by name. */
export function variablesOf(objects: KubeObject[]): Record<string, string> {
  const { env } = podSpecOf(objects).containers[0]!;
  return Object.fromEntries(env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])));
}

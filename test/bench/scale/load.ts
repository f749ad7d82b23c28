/** A control plane with many PcfApis that are settled, and some with a delivery at weight 10. */
import { PcfApiKind } from '../../../operator/resources/kinds.js';
import { BenchCluster, NAMESPACE, pcfApi, settledForRestart, until } from '../operator/cluster.js';
import { EtcdStore } from './etcd-store.js';
import { copiesOf, recordTemplates, type Template } from './template.js';

const SETTLED = 'seed-settled';
const DELIVERING = 'seed-delivering';
/** PcfApis that are written before the API server has to catch up. */
const BATCH = 50;
/** Two Deployments with three pods, and a migration Job. */
const SPEC = {
  replicas: 2,
  redis: { secretRef: { name: 'pcf-api-secrets' } },
  components: { worker: { enabled: true, replicas: 1 } },
};

export interface Loaded {
  cluster: BenchCluster;
  /** PcfApis whose weight is edited. */
  delivering: string[];
}

/** Loads `objects` PcfApis. The operator is stopped afterwards. */
export async function load(objects: number, delivering: number, nodeArgs: string[]): Promise<Loaded> {
  const cluster = await BenchCluster.start([], nodeArgs);
  try {
    const templates = await seeds(cluster);
    await cluster.sandbox.operator.stop();
    cluster.kubelet.stop();
    await cluster.sandbox.parts.cluster.stopControllers();
    const names = Array.from({ length: objects }, (_, index) => `api-${String(index).padStart(5, '0')}`);
    await copyAll(cluster, templates, names, delivering);
    cluster.names.push(...names);
    await until(
      'the PcfApis are listed',
      cluster.apis,
      [names.at(-1)!],
      () => cluster.apis.list().length > objects,
    );
    await until(
      'the routes are listed',
      cluster.routes,
      [names.at(-1)!],
      () => cluster.routes.list().length > objects,
    );
    return { cluster, delivering: names.slice(0, delivering) };
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

/** Two PcfApis that the operator itself brings into their state. */
async function seeds(cluster: BenchCluster): Promise<Template[]> {
  const { client, apis, sandbox } = cluster;
  const names = [SETTLED, DELIVERING];
  for (const name of names) await client.create(PcfApiKind, pcfApi(name, SPEC));
  await until('seeds are Ready', apis, names, (name) => cluster.statusOf(name)?.phase === 'Ready');
  const spec = { image: 'registry.example.com/pcf-api:1.1.0', canaryWeight: 10 };
  await client.patch(PcfApiKind, NAMESPACE, DELIVERING, { spec });
  await until('weight 10 is in effect', apis, [DELIVERING], (name) => {
    const { effectiveWeight, verified } = cluster.statusOf(name)?.traffic ?? {};
    return effectiveWeight === 10 && verified === true;
  });
  await settledForRestart(apis, cluster.routes);
  return recordTemplates(sandbox.parts.kubeConfig, NAMESPACE, names);
}

async function copyAll(
  cluster: BenchCluster,
  [inSteadyState, delivering]: Template[],
  names: readonly string[],
  inDelivery: number,
): Promise<void> {
  const store = new EtcdStore(cluster.sandbox.parts.cluster.etcdUrl);
  for (const template of [inSteadyState!, delivering!]) await store.locate(copiesOf(template, template.name));
  const startedAt = performance.now();
  for (const [index, name] of names.entries()) {
    await store.put(copiesOf(index < inDelivery ? delivering! : inSteadyState!, name));
    if ((index + 1) % BATCH === 0) await store.delivered();
    if ((index + 1) % 1_000 === 0)
      console.log(`loaded ${index + 1} PcfApis in ${Math.round((performance.now() - startedAt) / 1000)} s`);
  }
}

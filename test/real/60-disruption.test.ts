import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../support/cluster/pcf-api.js';
import { Delivery } from './delivery.js';
import { imageOf } from './parts/images.js';

const NAMESPACE = 'disruption';
const API_PODS = 'app.kubernetes.io/component=api';
/** Shares in percent: the stable revision serves every client. */
const STABLE = { gateway: 100, service: 100, header: 100 };

describe('real disruptions under load', function () {
  this.timeout(900_000);
  let delivery: Delivery;

  const kubectl = (...args: string[]) => delivery.real.kubectl.run(args);
  const names = () => delivery.real.nodes.map(({ name }) => name);
  const nodeIsReady = (name: string) =>
    kubectl('wait', '--for=condition=Ready', `node/${name}`, '--timeout=60s');

  before(async () => {
    delivery = await Delivery.start(NAMESPACE, {
      replicas: 2,
      availability: { podDisruptionBudget: { maxUnavailable: 1 } },
    });
  });

  after(() => delivery?.stop());

  /** Not `kubectl wait pod`, which waits for pods that are deleted meanwhile as well. */
  const podsReady = () =>
    kubectl('rollout', 'status', 'deployment', '-n', NAMESPACE, '-l', API_PODS, '--timeout=120s');

  it('a drained node loses no request', async () => {
    await kubectl('drain', 'node-2', '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=180s');
    await delivery.expectShares('node-2 drained', '1.0.0', STABLE);
    await kubectl('uncordon', 'node-2');
  });

  it('the PodDisruptionBudget blocks the eviction of the last ready pod', async () => {
    await podsReady();
    // No node accepts the replacement of the first pod.
    await kubectl('cordon', ...names());
    try {
      const pods = await kubectl('get', 'pods', '-n', NAMESPACE, '-l', API_PODS, '-o', 'name');
      const [first, second] = pods.trim().split('\n') as [string, string];
      await evict(first);
      await assert.rejects(evict(second), /disruption budget/);
      await delivery.expectShares('one pod evicted', '1.0.0', STABLE);
    } finally {
      await kubectl('uncordon', ...names());
    }
    await podsReady();
  });

  const evict = async (pod: string) => {
    const name = pod.replace('pod/', '');
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace: NAMESPACE } };
    const path = `/api/v1/namespaces/${NAMESPACE}/pods/${name}/eviction`;
    await delivery.real.kubectl.run(['create', '--raw', path, '-f', '-'], JSON.stringify(eviction));
  };

  it('a restart of the kubelet loses no request', async () => {
    const [{ kubelet, name }] = delivery.real.nodes as [(typeof delivery.real.nodes)[number]];
    await kubelet.stop();
    await sleep(2_000);
    kubelet.start();
    await delivery.expectShares('kubelet restarted', '1.0.0', STABLE);
    await nodeIsReady(name);
  });

  it('a restart of containerd loses no request and no pod', async () => {
    const podsBefore = await podNames();
    const [{ containerd, name }] = delivery.real.nodes as [(typeof delivery.real.nodes)[number]];
    await containerd.process.stop();
    await sleep(2_000);
    await containerd.start();
    await delivery.expectShares('containerd restarted', '1.0.0', STABLE);
    await nodeIsReady(name);
    assert.equal(await podNames(), podsBefore);
  });

  const podNames = () => kubectl('get', 'pods', '-n', NAMESPACE, '-o', 'name');

  it('a delivery continues when the pod of the leading operator is killed', async () => {
    const before = await leader();
    await delivery.api.patch({ image: imageOf('1.1.0'), canaryWeight: 50 });
    await kubectl('delete', 'pod', podOf(before), '-n', 'pcf-system', '--force', '--grace-period=0');
    await eventually('another operator is the leader', async () => (await leader()) !== before, 60_000);
    await delivery.weightInEffect(50);
    await delivery.expectShares('new leader', '1.1.0', { gateway: 50, service: 0, header: 100 });
  });

  const leader = () =>
    kubectl('get', 'lease', '-n', 'pcf-system', '-o', 'jsonpath={.items[0].spec.holderIdentity}');
  /** The identity of a leader starts with the name of its pod. */
  const podOf = (identity: string) => identity.split('_')[0]!;
});

import { PodKind } from '../../../operator/resources/kinds.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { image, type TestApi } from '../../support/cluster/pcf-api.js';

/** A pod on a partitioned node: it may still run, and its deletion does not complete. */
export async function createLostPod(
  { client, kubectl }: Sandbox['parts'],
  { namespace, name }: TestApi,
  revision: string,
): Promise<{ remove: () => Promise<void> }> {
  const node = 'partitioned';
  const labels = {
    'app.kubernetes.io/managed-by': 'pcf-operator',
    'app.kubernetes.io/instance': name,
    'app.kubernetes.io/component': 'api',
    'pcf.dev/revision': revision,
  };
  await kubectl.apply([
    { apiVersion: 'v1', kind: 'Node', metadata: { name: node }, spec: { unschedulable: true } },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'lost', namespace, labels },
      spec: { nodeName: node, containers: [{ name: 'api', image: image('1.0.0') }] },
    },
  ]);
  await client.delete(PodKind, namespace, 'lost');
  const remove = async () => {
    await client.delete(PodKind, namespace, 'lost', { gracePeriodSeconds: 0 });
    await kubectl.run(['delete', 'node', node]);
  };
  return { remove };
}

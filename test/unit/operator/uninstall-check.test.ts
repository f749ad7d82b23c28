import assert from 'node:assert/strict';
import { KubeApiError } from '../../../operator/runtime/kube-client.js';
import type { KubeList, KubeObject } from '../../../operator/runtime/kube-types.js';
import { uninstallObstacle } from '../../../operator/uninstall-check.js';

const pcfApi = (namespace: string, name: string, finalizers?: string[]): KubeObject => ({
  ...{ apiVersion: 'pcf.dev/v1alpha1', kind: 'PcfApi', metadata: { name, namespace, finalizers } },
});

/** Client of a cluster with these objects. */
function clientOf(objects: KubeObject[]) {
  const list = async (_type: unknown, { namespace }: { namespace?: string } = {}): Promise<KubeList> => ({
    metadata: { resourceVersion: '1' },
    items: objects.filter(({ metadata }) => !namespace || metadata.namespace === namespace),
  });
  return { list };
}

describe('check-uninstall', () => {
  const withFinalizer = pcfApi('platform', 'api', ['pcf.dev/cleanup']);

  it('names the PcfApis whose deletion requires the operator, and the workaround', async () => {
    const obstacle = await uninstallObstacle(clientOf([withFinalizer, pcfApi('platform', 'free')]), []);
    assert.match(obstacle ?? '', /^1 PcfApis exist, .*pcf\.dev\/cleanup .*: platform\/api\. .*--no-hooks$/);
  });

  it('passes without PcfApis in the watched namespaces, and without the CRD', async () => {
    assert.equal(await uninstallObstacle(clientOf([withFinalizer]), ['payments']), undefined);
    assert.equal(await uninstallObstacle(clientOf([]), []), undefined);
    const missing = async () => Promise.reject(new KubeApiError(404, 'NotFound', 'no such kind'));
    assert.equal(await uninstallObstacle({ list: missing }, []), undefined);
  });

  it('fails if the PcfApis cannot be listed', async () => {
    const forbidden = async () => Promise.reject(new KubeApiError(403, 'Forbidden', 'no'));
    await assert.rejects(uninstallObstacle({ list: forbidden }, []), /no/);
  });
});

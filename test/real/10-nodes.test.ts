import assert from 'node:assert/strict';
import type { RealCluster } from './cluster/real-cluster.js';
import { sharedCluster } from './support.js';

describe('real nodes', () => {
  let real: RealCluster;

  before(async () => {
    real = await sharedCluster();
  });

  it('a Pod with an image from buildah becomes Ready on each node', async () => {
    const pod = ({ name }: { name: string }) => ({
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: `busybox-${name}` } },
      spec: { nodeName: name, containers: [{ name: 'busybox', image: real.images.busybox }] },
    });
    await real.kubectl.apply(real.nodes.map(pod));
    const names = real.nodes.map(({ name }) => `pod/busybox-${name}`);
    await real.kubectl.run(['wait', '--for=condition=Ready', ...names, '--timeout=60s']);
    const id = await real.kubectl.run(['exec', 'busybox-node-1', '--', 'id', '-u']);
    assert.equal(id.trim(), '0');
    await real.kubectl.run(['delete', ...names, '--grace-period=1']);
  });

  it('metrics-server reports the usage of nodes', async () => {
    const deadline = Date.now() + 90_000;
    for (;;) {
      const answer = await real.kubectl.run(['top', 'node', '--no-headers']).catch((error) => `${error}`);
      if (/^node-1 .*\nnode-2 .*\nnode-3 /m.test(answer)) return;
      assert(Date.now() < deadline, answer);
      await new Promise((done) => setTimeout(done, 1_000));
    }
  });
});

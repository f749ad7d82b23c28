import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { KubeObject } from '../../operator/runtime/kube-client.js';
import { objectsIn } from '../support/cluster/helm.js';
import { eventually } from '../support/cluster/pcf-api.js';
import { ARGO_NAMESPACE, startArgoCd } from './gitops/argo-cd.js';
import { Platform } from './gitops/platform.js';

const ApplicationKind = {
  ...{ group: 'argoproj.io', version: 'v1alpha1', kind: 'Application', plural: 'applications' },
  namespaced: true,
};

interface Application extends KubeObject {
  status?: {
    sync?: { status: string; revision?: string };
    reconciledAt?: string;
    resources?: {
      kind: string;
      name: string;
      status: string;
      health?: { status: string; message?: string };
    }[];
    conditions?: { type: string; message: string }[];
  };
}

/** deploy/argocd/application.yaml, with another repository and namespace. */
function application({ git, namespace }: Platform): object {
  const [object] = objectsIn(readFileSync('deploy/argocd/application.yaml', 'utf8'));
  const spec = object!.spec as { source: object; destination: object };
  return {
    ...object,
    spec: {
      ...spec,
      source: { ...spec.source, repoURL: git.url },
      destination: { ...spec.destination, namespace },
    },
  };
}

describe('Argo CD with deploy/argocd/application.yaml and its health check', function () {
  this.timeout(300_000);
  let platform: Platform;

  before(async function () {
    this.timeout(600_000);
    platform = await Platform.start('argo-cd');
    await startArgoCd(platform.cluster);
  });

  const live = () =>
    platform.cluster.client.get(ApplicationKind, ARGO_NAMESPACE, 'platform') as Promise<Application>;

  /** As a webhook of the Git server does, or `argocd app get --hard-refresh`. Resolves after the comparison. */
  async function refresh(type: 'normal' | 'hard' = 'normal'): Promise<void> {
    const annotation = 'argocd.argoproj.io/refresh';
    const patch = { metadata: { annotations: { [annotation]: type } } };
    await platform.cluster.client.patch(ApplicationKind, ARGO_NAMESPACE, 'platform', patch);
    await eventually('Argo CD has compared the state', async () => {
      const { metadata } = await live();
      return metadata.annotations?.[annotation] === undefined;
    });
  }

  /**
   * Waits until Argo CD reports a health of the PcfApi, with a message: by default that of the condition Ready. A new
   * health is reported without a refresh; a new message alone, with the next one.
   */
  async function health(expected: string, message?: RegExp): Promise<void> {
    let last: Application | undefined;
    const reported = async () => {
      last = await live();
      return last.status?.resources?.find(({ kind }) => kind === 'PcfApi')?.health;
    };
    const hasMessage = async () => {
      await refresh();
      const found = await reported();
      if (found?.status !== expected) return false;
      return message ? message.test(found.message ?? '') : found.message === (await platform.message());
    };
    try {
      await eventually(
        `health ${expected}`,
        async () => (await reported())?.status === expected,
        60_000,
        200,
      );
      await eventually(`health ${expected} with its message`, hasMessage, 60_000, 200);
    } catch (error) {
      const details = `${await platform.message()}; ${JSON.stringify(last?.status)}`;
      throw new Error(`${(error as Error).message}: ${details}`);
    }
  }

  async function synced(commit: string): Promise<void> {
    await eventually(`synced ${commit}`, async () => {
      const { sync } = (await live()).status ?? {};
      return sync?.status === 'Synced' && sync.revision === commit;
    });
  }

  it('a commit creates the PcfApi: Progressing during the migration, then Healthy with the message of Ready', async () => {
    const commit = platform.commit({ version: '1.0.0' });
    const finishMigrations = platform.cluster.kubelet.holdMigrations();
    await platform.cluster.sandbox.parts.kubectl.apply([application(platform)]);
    try {
      await health('Progressing', /migration/i);
    } finally {
      finishMigrations();
    }
    await platform.promoted('1.0.0');
    await health('Healthy');
    await synced(commit);
    const { status } = await live();
    assert.deepEqual(
      status?.resources?.map(({ kind, name }) => `${kind} ${name}`),
      ['PcfApi api'],
      'objects of the operator are not part of the Application',
    );
  });

  it('a commit with a new image starts a canary, which is Healthy while it waits for the promotion', async () => {
    const commit = platform.commit({ version: '1.1.0' });
    await refresh();
    await platform.weightInEffect('1.1.0', 20);
    await health('Healthy');
    await synced(commit);
  });

  it('keeps a weight set with kubectl pcf and one set with kubectl edit, and the Application stays in sync', async () => {
    await platform.pcf('weight', '40');
    await platform.weightInEffect('1.1.0', 40);
    await refresh('hard');
    await platform.edit({ canaryWeight: 60 });
    await platform.weightInEffect('1.1.0', 60);
    await refresh('hard');
    const { status } = await live();
    assert.equal(status?.sync?.status, 'Synced');
    assert.equal((await platform.api()).spec.canaryWeight, 60);
  });

  it('a pause set in the cluster is kept, and is Suspended until the delivery resumes', async () => {
    await platform.pcf('pause');
    await health('Suspended', /^paused: /);
    await refresh('hard');
    await health('Suspended');
    await platform.pcf('resume');
    await health('Healthy');
  });

  it('a manual edit of a field in Git is reverted, the weight is kept, and the operator reports no repair loop', async () => {
    await platform.edit({ replicas: 3 });
    await platform.until(
      'replicas are reverted',
      ({ spec }) => (spec as { replicas?: number }).replicas === 1,
    );
    await platform.weightInEffect('1.1.0', 60);
    await platform.expectNoRepairLoop();
  });

  it('in steady state neither the operator nor Argo CD writes during three hard refreshes', async () => {
    await platform.expectNoWrites(() => refresh('hard'));
  });

  it('an aborted delivery is Degraded with the reason, and a revert in Git is Healthy', async () => {
    await platform.pcf('abort');
    await health('Degraded');
    const commit = platform.commit({ version: '1.0.0' });
    await refresh();
    await synced(commit);
    await health('Healthy');
    await platform.promoted('1.0.0');
  });

  it('with ignoreDifferences, keeps the weight in the cluster also when a commit sets another one', async () => {
    await platform.pcf('weight', '60');
    const commit = platform.commit({ version: '1.2.0', canaryWeight: 20 });
    await refresh();
    await platform.weightInEffect('1.2.0', 60);
    await synced(commit);
    assert.equal((await platform.api()).spec.canaryWeight, 60);
  });

  it('without ignoreDifferences, applies the weight in Git, and reverts a manual edit with one write', async () => {
    const patch = { spec: { ignoreDifferences: null } };
    await platform.cluster.client.patch(ApplicationKind, ARGO_NAMESPACE, 'platform', patch);
    await platform.weightInEffect('1.2.0', 20);
    await platform.expectSingleRevert(60, refresh);
    await platform.weightInEffect('1.2.0', 20);
    await platform.expectNoRepairLoop();
    await health('Healthy');
    assert.equal((await live()).status?.sync?.status, 'Synced');
  });
});

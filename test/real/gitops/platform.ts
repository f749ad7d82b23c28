/** The cluster of the scenarios with Argo CD, and one PcfApi in a Git repository. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { PcfApiKind } from '../../../operator/resources/kinds.js';
import type { OperatorProcess } from '../../../sandbox/operator-process.js';
import type { PcfApiView } from '../../../sandbox/story/pcfapi-watch.js';
import { line } from '../../support/cluster/audit-log.js';
import { AuditedCluster, metric } from '../../support/cluster/audited-cluster.js';
import { kubectlPcf } from '../../support/cluster/kubectl-pcf.js';
import { eventually, image } from '../../support/cluster/pcf-api.js';
import { GitServer } from './git-server.js';
import { GITOPS_STATE_DIR } from './parts.js';

const RESYNC_MS = 1_000;

let starting: Promise<{ cluster: AuditedCluster; operator: OperatorProcess }> | undefined;

function sharedCluster() {
  starting ??= start();
  return starting;
}

async function start() {
  // The scenarios run in a network namespace of their own.
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  const cluster = await AuditedCluster.start(`${GITOPS_STATE_DIR}/cluster`, ['istio']);
  const operator = await cluster.operator('operator', { args: ['--resync', `${RESYNC_MS}ms`] });
  return { cluster, operator };
}

after(async () => (await starting?.catch(() => undefined))?.cluster.stop());

/** Fields in Git that a scenario changes. */
interface Manifest {
  version: string;
  annotations?: Record<string, string>;
  /** In place of steps. */
  canaryWeight?: number;
}

export class Platform {
  private constructor(
    readonly cluster: AuditedCluster,
    private readonly operator: OperatorProcess,
    readonly git: GitServer,
    readonly namespace: string,
  ) {}

  static async start(namespace: string): Promise<Platform> {
    const { cluster, operator } = await sharedCluster();
    await cluster.namespace(namespace);
    const git = await GitServer.start(`${GITOPS_STATE_DIR}/git/${namespace}`);
    cluster.sandbox.onStop(() => git.stop());
    return new Platform(cluster, operator, git, namespace);
  }

  /** Commits the PcfApi to the folder `platform` of the repository. Returns the commit. */
  commit({ version, annotations, canaryWeight }: Manifest): string {
    const { namespace } = this;
    const steps = [{ weight: 20, pause: true }];
    const strategy =
      canaryWeight === undefined ? { type: 'Canary', canary: { steps } } : { type: 'Canary' as const };
    const manifest = {
      ...{ apiVersion: 'pcf.dev/v1alpha1', kind: 'PcfApi' },
      metadata: { name: 'api', namespace, annotations },
      spec: {
        ...{ image: image(version), environment: 'development', replicas: 1 },
        database: { secretRef: { name: 'pcf-api-secrets' } },
        ...{ strategy, canaryWeight },
        traffic: { provider: 'Istio', hosts: [`${namespace}.example.com`], gateways: ['mesh/public'] },
      },
    };
    return this.git.commit(version, { 'platform/pcf-api.yaml': stringify(manifest) });
  }

  async api(): Promise<PcfApiView> {
    return (await this.cluster.client.get(PcfApiKind, this.namespace, 'api')) as PcfApiView;
  }

  async until(what: string, check: (api: PcfApiView) => boolean, timeoutMs = 120_000): Promise<void> {
    let last: PcfApiView | undefined;
    const isTrue = async () => {
      last = await this.api().catch(() => undefined); // it is not created yet
      return last !== undefined && check(last);
    };
    await eventually(what, isTrue, timeoutMs, 200).catch((error: Error) => {
      throw new Error(`${error.message}: ${JSON.stringify(last)}`);
    });
  }

  /** A canary at this weight that waits for a promotion. */
  weightInEffect(version: string, weight: number): Promise<void> {
    return this.until(`${version} at ${weight} %`, ({ status }) => {
      const isCurrent = status?.updateImage === image(version);
      return isCurrent && status?.traffic?.effectiveWeight === weight;
    });
  }

  promoted(version: string): Promise<void> {
    return this.until(
      `${version} is promoted`,
      ({ status }) => status?.stableImage === image(version) && status.phase === 'Ready',
    );
  }

  async pcf(command: string, ...args: string[]): Promise<void> {
    const result = await kubectlPcf(this.cluster.sandbox, [
      ...[command, 'api', ...args, '--namespace', this.namespace],
    ]);
    assert.equal(result.code, 0, result.problems);
  }

  /** An edit as by `kubectl edit`. */
  async edit(spec: object): Promise<void> {
    await this.cluster.client.patch(...([PcfApiKind, this.namespace, 'api', { spec }] as const), {
      fieldManager: 'kubectl-edit',
    });
  }

  /** The message of the condition Ready. */
  async message(): Promise<string> {
    const { status } = await this.api();
    return status?.conditions?.find(({ type }) => type === 'Ready')?.message ?? '';
  }

  /** Asserts that neither the operator nor the GitOps tool writes while the tool syncs several times. */
  async expectNoWrites(sync: () => Promise<void>): Promise<void> {
    await this.awaitNoWrites();
    const mark = this.cluster.audit.mark();
    const before = await this.api();
    await this.severalSyncs(sync);
    assert.deepEqual(this.cluster.audit.writesSince(mark).map(line), []);
    assert.equal((await this.api()).metadata.resourceVersion, before.metadata.resourceVersion);
  }

  /** Asserts that a manual edit of the weight in Git is reverted by exactly one write of the spec. */
  async expectSingleRevert(weight: number, sync: () => Promise<void>): Promise<void> {
    const { metadata, spec } = await this.api();
    const { canaryWeight: inGit } = spec;
    await this.edit({ canaryWeight: weight });
    await sync();
    await this.until(
      `${weight} % is reverted`,
      (api) => api.metadata.generation! > metadata.generation! + 1 && api.spec.canaryWeight === inGit,
    );
    await this.severalSyncs(sync);
    const after = await this.api();
    assert.equal(after.spec.canaryWeight, inGit);
    assert.equal(after.metadata.generation! - metadata.generation!, 2, 'the edit, and its revert');
  }

  private async severalSyncs(sync: () => Promise<void>): Promise<void> {
    const reconciles = () => metric(this.operator, /^controller_runtime_reconcile_total\{/);
    const from = await reconciles();
    for (let round = 0; round < 3; round++) await sync();
    await eventually('three resyncs of the operator', async () => (await reconciles()) >= from + 3, 30_000);
  }

  private async awaitNoWrites(): Promise<void> {
    const { audit } = this.cluster;
    await eventually('the operator has not written for 2 s', async () => {
      const mark = audit.mark();
      await sleep(2_000);
      return audit.writesSince(mark).length === 0;
    });
  }

  async expectNoRepairLoop(): Promise<void> {
    const { status } = await this.api();
    assert.notEqual(status?.conditions?.find(({ type }) => type === 'Degraded')?.reason, 'RepairLoop');
  }
}

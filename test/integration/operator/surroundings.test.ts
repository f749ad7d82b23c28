import assert from 'node:assert/strict';
import pg from 'pg';
import type { Pod } from '../../../operator/reconciler/pod-state.js';
import {
  ConfigMapKind,
  DeploymentKind,
  ExternalSecretKind,
  HorizontalPodAutoscalerKind,
  IngressKind,
  NetworkPolicyKind,
  PcfApiKind,
  PodDisruptionBudgetKind,
  PodKind,
  SecretKind,
  ServiceMonitorKind,
  VerticalPodAutoscalerKind,
} from '../../../operator/resources/kinds.js';
import type { KubeObject } from '../../../operator/runtime/kube-client.js';
import { customResourceDefinitions } from '../../../sandbox/crds.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually, image, TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';

interface Condition {
  type: string;
  status: string;
  reason: string;
  message: string;
}

describe('a PcfApi with supporting objects', () => {
  let sandbox: Sandbox;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
  });

  const condition = (api: TestApi, type: string) =>
    api.status.conditions?.find((candidate) => candidate.type === type) as Condition | undefined;
  const degraded = (api: TestApi, reason: string) =>
    eventually(`Degraded ${reason}`, () => condition(api, 'Degraded')?.reason === reason);

  it('has the objects that the spec enables, and deletes them when they are disabled', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'around'), {
      replicas: 2,
      traffic: { hosts: ['around.example.com'], ingress: {} },
      autoscaling: { vertical: { mode: 'Off' } },
      monitoring: { serviceMonitor: true },
    });
    await api.ready();
    const kinds = [
      NetworkPolicyKind,
      PodDisruptionBudgetKind,
      IngressKind,
      VerticalPodAutoscalerKind,
      ServiceMonitorKind,
    ];
    for (const kind of kinds) assert.ok(await api.get(kind), `${kind.kind} exists`);

    await api.patch({
      traffic: { ingress: null },
      autoscaling: null,
      monitoring: null,
      network: { policy: false },
      availability: { podDisruptionBudget: { enabled: false } },
    });
    for (const kind of kinds) await eventually(`${kind.kind} is deleted`, async () => !(await api.get(kind)));
    await api.ready();
    await api.remove();
  });

  it('deletes its pods only after its Ingress is deleted', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'leaving'), {
      traffic: { hosts: ['leaving.example.com'], ingress: {} },
    });
    await api.ready();
    const { client } = sandbox.parts;
    const hold = (finalizers: string[]) =>
      client.patch(IngressKind, api.namespace, api.name, { metadata: { finalizers } });
    await hold(['example.com/load-balancer']);
    await client.delete(PcfApiKind, api.namespace, api.name);
    await eventually('the Ingress is being deleted', async () => {
      const ingress = await api.get(IngressKind);
      return ingress?.metadata.deletionTimestamp !== undefined;
    });
    const [deployment] = await api.owned(DeploymentKind);
    assert.ok(deployment && !deployment.metadata.deletionTimestamp, 'the pods still serve');
    await hold([]);
    await api.watch.until('the PcfApi is deleted', (view) => view === undefined);
    await api.watch.stop();
  });

  it('is scaled by its HorizontalPodAutoscaler in production', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'hpa'), {
      environment: 'production',
      replicas: undefined,
      resources: { requests: { cpu: '10m', memory: '32Mi' } },
    });
    const conditionOf = async (type: string) => {
      const found = (await api.get(HorizontalPodAutoscalerKind)) as KubeObject & {
        status?: { conditions?: Condition[] };
      };
      return found?.status?.conditions?.find((candidate) => candidate.type === type)?.reason;
    };
    await eventually('the autoscaler reads the scale', async () => {
      const able = await conditionOf('AbleToScale');
      return able === 'SucceededGetScale' || able === 'ReadyForNewScale';
    });
    assert.equal((await api.specOf<{ replicas: number }>(PcfApiKind)).replicas, 3);
    await api.ready();

    await sandbox.parts.kubectl.run(['scale', 'pcf', api.name, '-n', api.namespace, '--replicas=4']);
    await api.watch.until('4 replicas', (view) => view?.status?.replicas === 4);
    await api.remove();
  });

  it('deletes its HorizontalPodAutoscaler while another autoscaler targets it', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'autoscale'), {
      autoscaling: { horizontal: { maxReplicas: 4 } },
      replicas: undefined,
    });
    await eventually(
      'the autoscaler of the operator exists',
      async () => (await api.get(HorizontalPodAutoscalerKind)) !== undefined,
    );
    const args = ['autoscale', 'pcf', api.name, '-n', api.namespace, '--name=theirs', '--max=5'];
    await sandbox.parts.kubectl.run(args);
    await degraded(api, 'AutoscalerConflict');
    await eventually(
      'the autoscaler of the operator is deleted',
      async () => !(await api.get(HorizontalPodAutoscalerKind)),
    );
    await sandbox.parts.client.delete(HorizontalPodAutoscalerKind, api.namespace, 'theirs');
    await degraded(api, 'AsExpected');
    await eventually(
      'the autoscaler of the operator is recreated',
      async () => (await api.get(HorizontalPodAutoscalerKind)) !== undefined,
    );
    await api.remove();
  });

  it('reports a missing CRD, remains Ready, and creates the object once the CRD is installed', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'lacks'));
    await api.ready();
    const crd = 'verticalpodautoscalers.autoscaling.k8s.io';
    await sandbox.parts.kubectl.run(['delete', 'crd', crd]);
    await api.patch({ autoscaling: { vertical: { mode: 'Off' } } });
    await degraded(api, 'CRDMissing');
    assert.match(api.message('Degraded'), /VerticalPodAutoscaler .*install the Vertical Pod Autoscaler/);
    assert.equal(condition(api, 'Ready')?.status, 'True');

    const crds = await customResourceDefinitions('verticalPodAutoscaler');
    await sandbox.parts.kubectl.apply(
      JSON.stringify(crds.find(({ metadata }) => metadata.name === crd)),
      '--server-side',
    );
    await degraded(api, 'AsExpected');
    assert.ok(await api.get(VerticalPodAutoscalerKind));
    await api.remove();
  });

  it('reports when the connections of all pods exceed database.maxConnections', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'budget'), {
      database: { secretRef: { name: 'pcf-api-secrets' }, maxConnections: 10 },
    });
    await api.ready();
    assert.equal(condition(api, 'Degraded')?.status, 'False');
    await api.patch({ replicas: 3 });
    await degraded(api, 'ConnectionBudgetExceeded');
    assert.match(
      api.message('Degraded'),
      /6 pods with 4 connections each.*more than database\.maxConnections 10/,
    );
    await api.remove();
  });

  it('creates one ExternalSecret per Secret, and waits for the Secret', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'external'), {
      database: { secretRef: { name: 'from-vault', key: 'url' } },
      secrets: { provider: 'ExternalSecrets', store: { name: 'vault' }, path: 'pcf-api' },
    });
    await api.reason('SecretMissing');
    const { data, target } = await api.specOf<{ data: object[]; target: object }>(
      ExternalSecretKind,
      'from-vault',
    );
    assert.deepEqual(target, { name: 'from-vault', creationPolicy: 'Orphan', deletionPolicy: 'Retain' });
    assert.equal(data.length, 1);
    await api.remove();
  });

  it('delivers a changed Secret as a new revision with onChange Rollout, unless only a label changed', async () => {
    const namespace = await newTenant(sandbox, 'rollout');
    const api = await TestApi.create(sandbox, namespace, {
      canaryWeight: 0,
      env: [{ name: 'GREETING', valueFrom: { secretKeyRef: { name: 'words', key: 'greeting' } } }],
      secrets: { onChange: 'Rollout' },
    });
    const { client } = sandbox.parts;
    const words = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'words', namespace } };
    await client.create(SecretKind, { ...words, stringData: { greeting: 'hello' } });
    await api.ready();
    const first = api.status.stableRevision;

    await client.patch(SecretKind, namespace, 'words', { metadata: { labels: { a: 'b' } } });
    await client.patch(SecretKind, namespace, 'words', { stringData: { greeting: 'good day' } });
    await api.watch.until('the phase is Canary', (view) => view?.status?.phase === 'Canary');
    assert.notEqual(api.status.updateRevision, first);
    assert.equal((await api.owned(ConfigMapKind)).length, 2, 'the change of the label created no revision');

    await client.delete(SecretKind, namespace, 'words');
    await api.reason('SecretMissing');
    assert.ok(
      api.status.updateRevision && api.status.updateRevision !== first,
      'a missing Secret does not cancel the delivery',
    );
    await client.create(SecretKind, { ...words, stringData: { greeting: 'hello' } });
    await api.ready();
    assert.equal(api.status.stableRevision, first, 'the previous content restores the previous revision');
    await api.remove();
  });

  it('reconnects with new credentials from a changed Secret without a restart of its pods', async () => {
    const namespace = await newTenant(sandbox, 'rotate');
    const database = new pg.Client({ connectionString: sandbox.postgres.url(namespace) });
    await database.connect();
    const { client } = sandbox.parts;
    const rotateTo = async (role: string) => {
      await database.query(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD '${role}'`);
      const url = new URL(sandbox.postgres.url(namespace));
      Object.assign(url, { username: role, password: role });
      await client.patch(SecretKind, namespace, 'pcf-api-secrets', {
        stringData: { 'database-url': url.href },
      });
    };
    const users = async () => {
      const { rows } = await database.query<{ usename: string }>(
        "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = current_database() AND usename LIKE 'rotated%'",
      );
      return rows.map(({ usename }) => usename).join();
    };
    try {
      await rotateTo('rotated_1');
      const api = await TestApi.create(sandbox, namespace);
      await api.ready();
      const revision = api.status.stableRevision;
      assert.equal(await users(), 'rotated_1');
      await rotateTo('rotated_2');
      await eventually('the new role is used', async () => (await users()).includes('rotated_2'));
      // A rotation revokes the old role at its end: remaining connections of it must reconnect.
      await database.query('ALTER ROLE rotated_1 NOLOGIN');
      await database.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rotated_1'",
      );
      await eventually('only the new role is left', async () => (await users()) === 'rotated_2');
      await api.ready();
      const pods = (await api.owned(PodKind)) as Pod[];
      const serving = pods.filter(({ status }) => status?.phase === 'Running');
      assert.deepEqual(
        serving.map(({ status }) => status?.containerStatuses?.[0]?.restartCount),
        [0],
      );
      assert.equal(api.status.stableRevision, revision);
      await api.remove();
    } finally {
      await database.end();
    }
  });

  it('has no write conflict with GitOps that applies the same manifest repeatedly', async () => {
    const namespace = await newTenant(sandbox, 'gitops');
    const api = await TestApi.create(sandbox, namespace, { replicas: 1, image: image('1.0.0') });
    await api.ready();
    const { kubectl, client } = sandbox.parts;
    const manifest = {
      apiVersion: 'pcf.dev/v1alpha1',
      kind: 'PcfApi',
      metadata: { name: api.name, namespace },
      spec: (await client.get(PcfApiKind, namespace, api.name)).spec,
    };
    const version = async () => (await client.get(PcfApiKind, namespace, api.name)).metadata.resourceVersion;
    for (const args of [['--server-side', '--field-manager=flux', '--force-conflicts'], []]) {
      const apply = () => kubectl.apply(JSON.stringify(manifest), ...args);
      await apply(); // takes over the ownership of the fields
      await eventually('the edit is reported', async () => {
        const { metadata } = await client.get(PcfApiKind, namespace, api.name);
        return api.status.observedGeneration === metadata.generation;
      });
      const before = await version();
      for (let round = 0; round < 3; round++) await apply();
      assert.equal(await version(), before);
    }
    await api.remove();
  });
});

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { PcfApiKind, SecretKind, ServiceKind } from '../../../operator/resources/kinds.js';
import type { KubeObject } from '../../../operator/runtime/kube-client.js';
import { type AuditEvent, line } from '../../support/cluster/audit-log.js';
import { AuditedCluster } from '../../support/cluster/audited-cluster.js';
import { HELM_TIMEOUT_MS, type TestHelm, testHelm } from '../../support/cluster/helm.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/cluster/sandbox.js';

interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
}

/** RBAC rules of the shipped manifests. */
function shippedRules(): Rule[] {
  const documents = parseAllDocuments(readFileSync('deploy/k8s/rbac.yaml', 'utf8'));
  return documents.flatMap((document) => (document.toJS() as { rules?: Rule[] } | null)?.rules ?? []);
}

/** One string per permission, such as `patch pcf.dev/pcfapis/status`. */
function permissionsOf(rules: Rule[]): string[] {
  return rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`)),
    ),
  );
}

function permissionUsed({ verb, objectRef }: AuditEvent): string {
  const { apiGroup = '', resource = '', subresource } = objectRef ?? {};
  return `${verb} ${apiGroup}/${resource}${subresource ? `/${subresource}` : ''}`;
}

/**
 * Permissions that are required but do not appear in the audit log. The API server checks
 * `update` of pcfapis/finalizers when an owner reference sets blockOwnerDeletion (admission
 * plugin OwnerReferencesPermissionEnforcement, enabled on OpenShift), `create` in addition to
 * `patch` when a server-side apply creates the object, and `list` if it does not support
 * WatchList. Events are listed only while the pod of a Job cannot be created, which
 * trouble.test.ts covers.
 */
const isImplicitlyRequired = (permission: string, used: ReadonlySet<string>) =>
  permission === 'update pcf.dev/pcfapis/finalizers' ||
  permission === 'list events.k8s.io/events' ||
  (permission.startsWith('create ') && used.has(permission.replace('create ', 'patch '))) ||
  (permission.startsWith('list ') && used.has(permission.replace('list ', 'watch ')));

/** A spec with every feature. Each PcfApi adds one of the features that exclude each other. */
const everything = {
  replicas: undefined,
  environment: 'production',
  secrets: {
    provider: 'ExternalSecrets',
    store: { kind: 'SecretStore', name: 'vault' },
    path: 'pcf-api',
  },
  redis: { secretRef: { name: 'pcf-api-secrets', key: 'redis-url' } },
  tls: { issuerRef: { kind: 'ClusterIssuer', name: 'letsencrypt' } },
  autoscaling: {
    horizontal: { minReplicas: 3, maxReplicas: 10, cpu: 70 },
    vertical: { mode: 'Initial', maxAllowed: { memory: '4Gi' } },
  },
  availability: { podDisruptionBudget: { maxUnavailable: 1 } },
  components: { worker: { enabled: true, replicas: 2 } },
  monitoring: { serviceMonitor: true },
  strategy: { type: 'Canary', canary: { scaleDownDelay: '1s' } },
};
/** Backups before contract, by namespace: one kind per PcfApi. */
const backups: Record<string, { resource: string; beforeContract: object }> = {
  istio: {
    resource: 'volumesnapshots',
    beforeContract: { volumeSnapshot: { persistentVolumeClaimName: 'data' } },
  },
  gateway: { resource: 'backups', beforeContract: { backup: { cluster: 'pg' } } },
};
const bare = {
  replicas: 1,
  environment: 'development',
  secrets: null,
  redis: null,
  tls: null,
  autoscaling: null,
  availability: null,
  components: null,
  monitoring: { serviceMonitor: false },
  network: { policy: false },
};
/** Traffic settings without a router. */
const plain = {
  ...{ provider: 'None', gateways: null, gatewayClassName: null, ingress: null, hosts: null },
  backendTLS: null,
};
const image = (tag: string) => `registry.example.com/pcf-api:${tag}`;

describe('RBAC permissions of the operator', () => {
  let cluster: AuditedCluster;
  let helm: TestHelm | undefined;

  before(async function () {
    this.timeout(START_TIMEOUT_MS + HELM_TIMEOUT_MS);
    helm = await testHelm();
    cluster = await AuditedCluster.start('.sandbox/test-rbac');
  });
  after(async () => {
    helm?.remove();
    await cluster?.stop();
  });

  it('are exactly those that the lifecycle of PcfApis with every feature requires', async () => {
    const first = await cluster.operator('first');
    await runLifecycle('istio', { provider: 'Istio', hosts: ['a.example.com'], gateways: ['mesh/public'] });
    await runLifecycle('gateway', {
      provider: 'GatewayAPI',
      hosts: ['b.example.com'],
      gatewayClassName: 'public',
      gateways: ['gateways/public'], // requires a ReferenceGrant because of tls
      backendTLS: { secretName: 'pods-tls' },
    });
    await runLifecycle('ingress', { hosts: ['c.example.com'], ingress: { className: 'public' } });
    await createNameConflict();
    await first.stop();
    await cluster.operator('second'); // acquires the existing Lease

    const requests = cluster.audit.since();
    const denied = requests.filter(({ responseStatus }) => responseStatus?.code === 403);
    assert.deepEqual(denied.map(line), [], 'requests that were denied');
    const used = new Set(requests.map(permissionUsed));
    const unused = permissionsOf(shippedRules()).filter(
      (permission) => !used.has(permission) && !isImplicitlyRequired(permission, used),
    );
    assert.deepEqual(unused, [], 'permissions that were never used');
  });

  it('suffice as Roles in the watched namespaces, without ClusterRoles', async () => {
    await cluster.stopOperators();
    const { kubectl } = cluster.sandbox.parts;
    for (const kind of ['clusterrolebinding', 'clusterrole'])
      await kubectl.run(['delete', kind, 'pcf-operator']);
    const [watched, unwatchedNamespace] = [
      await cluster.namespace('watched'),
      await cluster.namespace('unwatched'),
    ];
    const values = `watchNamespaces={${watched}},crds.install=false,rbac.aggregate=false`;
    const rendered = await helm!.helm.run([
      ...['template', 'pcf-operator', 'deploy/helm/pcf-operator', '--namespace', 'pcf-system'],
      ...['--set', values, '--show-only', 'templates/rbac.yaml'],
    ]);
    await kubectl.apply(rendered, '--server-side', '--force-conflicts');
    const mark = cluster.audit.mark();
    const unwatched = await cluster.create(unwatchedNamespace);
    await cluster.operator('namespaced', { args: ['--namespace', watched] });
    await cluster.ready(await cluster.create(watched));
    const requests = cluster.audit.since(mark);
    const denied = requests.filter(({ responseStatus }) => responseStatus?.code === 403);
    assert.deepEqual(denied.map(line), [], 'requests that were denied');
    const namespaces = new Set(requests.map(({ objectRef }) => objectRef?.namespace));
    assert.deepEqual(namespaces, new Set([watched, 'pcf-system']), 'no request to another namespace');
    assert.equal(unwatched.now()?.status, undefined);
  });

  /** Lifecycle of a PcfApi: creation with every feature, canary, promotion, removal of features, deletion. */
  async function runLifecycle(namespace: string, traffic: object): Promise<void> {
    await cluster.namespace(namespace);
    const { client } = cluster;
    const data = { 'redis-url': 'cmVkaXM6Ly9ub3doZXJl' };
    await client.patch(SecretKind, namespace, 'pcf-api-secrets', { data });
    await client.create(SecretKind, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'pods-tls', namespace },
      data: { 'tls.crt': 'Y2VydA==', 'tls.key': 'a2V5' },
    } as KubeObject);
    const { resource, beforeContract } = backups[namespace] ?? {};
    const migrations = { contractDelay: '0s', beforeContract };
    const watch = await cluster.create(namespace, { ...everything, traffic, migrations });
    await cluster.ready(watch);
    cluster.kubelet.contracts = resource ? ['Drop1795370000001'] : [];
    await deliverLongMigration(namespace);
    cluster.kubelet.contracts = [];
    const awaitWeight = (desired: number) =>
      watch.until(`${desired} %`, (api) => api?.status?.traffic?.effectiveWeight === desired);
    if (namespace !== 'ingress') await awaitWeight(30);
    await cluster.patch(namespace, { canaryWeight: 100 });
    await watch.until(
      'promoted',
      (api) => api?.status?.phase === 'Ready' && api.status.stableImage === image('1.1.0'),
    );
    const isBackup = ({ verb, objectRef }: AuditEvent) =>
      verb === 'patch' && objectRef?.resource === resource && objectRef?.namespace === namespace;
    if (resource)
      await eventually(`an object of ${resource} is created`, () => cluster.audit.since().some(isBackup));
    const mark = cluster.audit.mark();
    await cluster.patch(namespace, { ...bare, traffic: plain });
    const routes = { istio: 'destinationrules', gateway: 'gateways', ingress: 'ingresses' }[namespace];
    const isDeletion = ({ verb, objectRef }: AuditEvent) =>
      verb === 'delete' && objectRef?.resource === routes && objectRef?.namespace === namespace;
    await eventually(`an object of ${routes} is deleted`, () => cluster.audit.since(mark).some(isDeletion));
    if (namespace === 'ingress') await causeRepeatedDrift(namespace);
    if (namespace === 'ingress') await exceedHistoryLimit(namespace);
    await client.delete(PcfApiKind, namespace, 'api');
    await watch.until('the PcfApi is deleted', (api) => api === undefined);
  }

  /** Delivers a version whose migrations take so long that the operator reads their progress. */
  async function deliverLongMigration(namespace: string): Promise<void> {
    const release = cluster.kubelet.holdMigrations();
    await cluster.patch(namespace, { image: image('1.1.0'), canaryWeight: 30 });
    const isLog = ({ objectRef }: AuditEvent) =>
      objectRef?.subresource === 'log' && objectRef.namespace === namespace;
    await eventually('the log of the migrations is read', () => cluster.audit.since().some(isLog));
    release();
  }

  /** Causes the same drift twice, so that its Event becomes a series. */
  async function causeRepeatedDrift(namespace: string): Promise<void> {
    const { client } = cluster;
    const { items } = await client.list(ServiceKind, { namespace });
    const { name } = items[0]!.metadata;
    const mark = cluster.audit.mark();
    const isSeries = (event: AuditEvent) => permissionUsed(event) === 'patch events.k8s.io/events';
    let round = 0;
    // The rate limit of Events of an object can drop the first ones.
    await eventually('the Event becomes a series', async () => {
      round += 1;
      const instance = `other-${round}`;
      const patch = { spec: { selector: { 'app.kubernetes.io/instance': instance } } };
      await client.patch(ServiceKind, namespace, name, patch, { fieldManager: 'meddler' });
      await eventually('the Service is repaired', async () => {
        const { items } = await client.list(ServiceKind, { namespace });
        const spec = items.find(({ metadata }) => metadata.name === name)?.spec as
          | typeof patch.spec
          | undefined;
        return spec?.selector['app.kubernetes.io/instance'] !== instance;
      });
      return cluster.audit.since(mark).some(isSeries);
    });
  }

  /** Delivers more revisions than the history limit: the oldest is deleted with its Job. */
  async function exceedHistoryLimit(namespace: string): Promise<void> {
    for (let minor = 1; minor <= 12; minor++) {
      const mark = cluster.audit.mark();
      await cluster.patch(namespace, { image: image(`2.${minor}.0`), canaryWeight: 0 });
      const isJob = ({ verb, objectRef }: AuditEvent) => verb === 'patch' && objectRef?.resource === 'jobs';
      await eventually('its migrations start', () => cluster.audit.since(mark).some(isJob));
    }
    for (const resource of ['controllerrevisions', 'jobs', 'configmaps']) {
      const isDeletion = ({ verb, objectRef }: AuditEvent) =>
        verb === 'delete' && objectRef?.resource === resource && objectRef.namespace === namespace;
      await eventually(`an old object of ${resource} is deleted`, () =>
        cluster.audit.since().some(isDeletion),
      );
    }
  }

  /** Creates a Service with the name of the PcfApi, whose owner the operator then reads. */
  async function createNameConflict(): Promise<void> {
    const namespace = await cluster.namespace('taken');
    await cluster.sandbox.parts.kubectl.run([
      'create',
      'service',
      'clusterip',
      'api',
      '--tcp=1',
      '-n',
      namespace,
    ]);
    const watch = await cluster.create(namespace);
    await watch.until('NameConflict', (api) => api?.status?.reason === 'NameConflict');
  }
});

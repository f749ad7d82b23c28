import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { PcfApiKind, SecretKind, ServiceKind } from '../../../operator/resources/kinds.js';
import type { KubeObject } from '../../../operator/runtime/kube-client.js';
import { type AuditEvent, line } from '../../support/audit-log.js';
import { AuditedCluster, FAST_LEASE } from '../../support/audited-cluster.js';
import { HELM_TIMEOUT_MS, type TestHelm, testHelm } from '../../support/helm.js';
import { eventually } from '../../support/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/sandbox.js';

interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
}

/** Where the rules are that the operator is shipped with. */
function shippedRules(): Rule[] {
  const documents = parseAllDocuments(readFileSync('deploy/k8s/rbac.yaml', 'utf8'));
  return documents.flatMap((document) => (document.toJS() as { rules?: Rule[] } | null)?.rules ?? []);
}

/** One right each: `patch pcf.dev/pcfapis/status`. */
function rightsOf(rules: Rule[]): string[] {
  return rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`)),
    ),
  );
}

function rightUsed({ verb, objectRef }: AuditEvent): string {
  const { apiGroup = '', resource = '', subresource } = objectRef ?? {};
  return `${verb} ${apiGroup}/${resource}${subresource ? `/${subresource}` : ''}`;
}

/**
 * Rights that are needed and that no line of the audit log shows. The API server asks for
 * `update` of pcfapis/finalizers when an owned object names its owner with
 * blockOwnerDeletion (admission plugin OwnerReferencesPermissionEnforcement, which
 * OpenShift has on), for `create` beside `patch` when a server-side apply makes the
 * object, and for `list` where it has no WatchList. Events are listed only while a Job gets no
 * pod, which trouble.test.ts has.
 */
const asked = (right: string, used: ReadonlySet<string>) =>
  right === 'update pcf.dev/pcfapis/finalizers' ||
  right === 'list events.k8s.io/events' ||
  (right.startsWith('create ') && used.has(right.replace('create ', 'patch '))) ||
  (right.startsWith('list ') && used.has(right.replace('list ', 'watch ')));

/** Everything that a PcfApi can ask for, in two that differ in what excludes each other. */
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
/** What is made before contract, of which one PcfApi asks for one kind. */
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
/** No router at all. */
const plain = {
  ...{ provider: 'None', gateways: null, gatewayClassName: null, ingress: null, hosts: null },
  backendTLS: null,
};
const image = (tag: string) => `registry.example.com/pcf-api:${tag}`;

describe('the rights of the operator', function () {
  this.timeout(180_000);
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

  it('are all that the whole story needs, and nothing that it does not', async () => {
    const first = await cluster.operator('first', { args: FAST_LEASE });
    await story('istio', { provider: 'Istio', hosts: ['a.example.com'], gateways: ['mesh/public'] });
    await story('gateway', {
      provider: 'GatewayAPI',
      hosts: ['b.example.com'],
      gatewayClassName: 'public',
      gateways: ['gateways/public'], // with tls: a ReferenceGrant
      backendTLS: { secretName: 'pods-tls' },
    });
    await story('ingress', { hosts: ['c.example.com'], ingress: { className: 'public' } });
    await takenName();
    await first.stop();
    await cluster.operator('second', { args: FAST_LEASE }); // takes the lease that is there

    const requests = cluster.audit.since();
    const denied = requests.filter(({ responseStatus }) => responseStatus?.code === 403);
    assert.deepEqual(denied.map(line), [], 'requests that were denied');
    const used = new Set(requests.map(rightUsed));
    const unused = rightsOf(shippedRules()).filter((right) => !used.has(right) && !asked(right, used));
    assert.deepEqual(unused, [], 'rights that were never used');
  });

  it('are enough as Roles in the namespaces it watches, without any in the cluster', async () => {
    await cluster.stopOperators();
    const { kubectl } = cluster.sandbox.parts;
    for (const kind of ['clusterrolebinding', 'clusterrole'])
      await kubectl.run(['delete', kind, 'pcf-operator']);
    const [ours, others] = [await cluster.namespace('watched'), await cluster.namespace('unwatched')];
    const values = `watchNamespaces={${ours}},crds.install=false,rbac.aggregate=false`;
    const rendered = await helm!.helm.run([
      ...['template', 'pcf-operator', 'deploy/helm/pcf-operator', '--namespace', 'pcf-system'],
      ...['--set', values, '--show-only', 'templates/rbac.yaml'],
    ]);
    await kubectl.apply(rendered, '--server-side', '--force-conflicts');
    const mark = cluster.audit.mark();
    const unwatched = await cluster.create(others);
    await cluster.operator('namespaced', { args: [...FAST_LEASE, '--namespace', ours] });
    await cluster.ready(await cluster.create(ours));
    const requests = cluster.audit.since(mark);
    const denied = requests.filter(({ responseStatus }) => responseStatus?.code === 403);
    assert.deepEqual(denied.map(line), [], 'requests that were denied');
    const namespaces = new Set(requests.map(({ objectRef }) => objectRef?.namespace));
    assert.deepEqual(namespaces, new Set([ours, 'pcf-system']), 'it asks for nothing else');
    assert.equal(unwatched.now()?.status, undefined);
  });

  /** From nothing to everything, a canary, an abort, a promotion, without what can be left out, and gone. */
  async function story(namespace: string, traffic: object): Promise<void> {
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
    await longMigration(namespace);
    cluster.kubelet.contracts = [];
    const weight = (wanted: number) =>
      watch.until(`${wanted} %`, (api) => api?.status?.traffic?.effectiveWeight === wanted, 60_000);
    if (namespace !== 'ingress') await weight(30);
    await cluster.patch(namespace, { canaryWeight: 100 });
    await watch.until(
      'promoted',
      (api) => api?.status?.phase === 'Ready' && api.status.stableImage === image('1.1.0'),
      60_000,
    );
    const isBackup = ({ verb, objectRef }: AuditEvent) =>
      verb === 'patch' && objectRef?.resource === resource && objectRef?.namespace === namespace;
    if (resource)
      await eventually(`one of ${resource} is made`, () => cluster.audit.since().some(isBackup), 30_000);
    const mark = cluster.audit.mark();
    await cluster.patch(namespace, { ...bare, traffic: plain });
    const routes = { istio: 'destinationrules', gateway: 'gateways', ingress: 'ingresses' }[namespace];
    const isGone = ({ verb, objectRef }: AuditEvent) =>
      verb === 'delete' && objectRef?.resource === routes && objectRef?.namespace === namespace;
    await eventually(`no ${routes} any more`, () => cluster.audit.since(mark).some(isGone), 60_000);
    if (namespace === 'ingress') await meddle(namespace);
    if (namespace === 'ingress') await outlivedRevisions(namespace);
    await client.delete(PcfApiKind, namespace, 'api');
    await watch.until('gone', (api) => api === undefined, 30_000);
  }

  /** A new version whose migrations take so long that the operator reads how far they are. */
  async function longMigration(namespace: string): Promise<void> {
    const release = cluster.kubelet.holdMigrations();
    await cluster.patch(namespace, { image: image('1.1.0'), canaryWeight: 30 });
    const isLog = ({ objectRef }: AuditEvent) =>
      objectRef?.subresource === 'log' && objectRef.namespace === namespace;
    await eventually('their log is read', () => cluster.audit.since().some(isLog));
    release();
  }

  /** The same drift twice, so that its Event becomes a series. */
  async function meddle(namespace: string): Promise<void> {
    const { client } = cluster;
    const { items } = await client.list(ServiceKind, { namespace });
    const { name } = items[0]!.metadata;
    for (const other of ['one', 'another']) {
      const mark = cluster.audit.mark();
      const patch = { spec: { selector: { 'app.kubernetes.io/instance': other } } };
      await client.patch(ServiceKind, namespace, name, patch, { fieldManager: 'meddler' });
      const isEvent = ({ objectRef }: AuditEvent) => objectRef?.resource === 'events';
      await eventually('an Event', () => cluster.audit.since(mark).some(isEvent));
    }
  }

  /** More revisions than are kept on record: the oldest goes, with its Job. */
  async function outlivedRevisions(namespace: string): Promise<void> {
    for (let minor = 1; minor <= 12; minor++) {
      const mark = cluster.audit.mark();
      await cluster.patch(namespace, { image: image(`2.${minor}.0`), canaryWeight: 0 });
      const isJob = ({ verb, objectRef }: AuditEvent) => verb === 'patch' && objectRef?.resource === 'jobs';
      await eventually('its migrations begin', () => cluster.audit.since(mark).some(isJob));
    }
    for (const resource of ['controllerrevisions', 'jobs', 'configmaps']) {
      const isGone = ({ verb, objectRef }: AuditEvent) =>
        verb === 'delete' && objectRef?.resource === resource && objectRef.namespace === namespace;
      await eventually(`an old one of ${resource} goes`, () => cluster.audit.since().some(isGone), 40_000);
    }
  }

  /** A name that somebody else has: the operator looks whose it is. */
  async function takenName(): Promise<void> {
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
    await watch.until('NameConflict', (api) => api?.status?.reason === 'NameConflict', 30_000);
  }
});

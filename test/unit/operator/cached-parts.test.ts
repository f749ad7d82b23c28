import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { cachedPart } from '../../../operator/reconciler/cached-parts.js';
import {
  ControllerRevisionKind,
  DeploymentKind,
  EndpointSliceKind,
  NetworkPolicyKind,
  OWNED_KINDS,
  PodKind,
  typeOf,
} from '../../../operator/resources/kinds.js';
import { differences } from '../../../operator/runtime/difference.js';
import type { KubeObject, ObjectMeta } from '../../../operator/runtime/kube-types.js';

const owner = (uid: string) => ({
  apiVersion: 'pcf.dev/v1alpha1',
  kind: 'PcfApi',
  name: 'api',
  uid,
  controller: true,
});

const metadata = (uid: string): ObjectMeta => ({
  name: 'api',
  namespace: 'team',
  uid: 'own',
  resourceVersion: '7',
  labels: { app: 'api' },
  ownerReferences: [owner(uid)],
  managedFields: [
    {
      manager: 'pcf-operator',
      operation: 'Apply',
      time: '2026-11-30T09:00:00Z',
      fieldsV1: {
        'f:metadata': { 'f:ownerReferences': { [`k:{"uid":"${uid}"}`]: {} } },
        'f:spec': {
          'f:replicas': {},
          'f:template': {
            'f:spec': { 'f:containers': { 'k:{"name":"api"}': { '.': {}, 'f:name': {}, 'f:image': {} } } },
          },
        },
      },
    },
    {
      manager: 'kube-controller-manager',
      operation: 'Update',
      subresource: 'status',
      fieldsV1: { 'f:status': {} },
    },
  ],
});

const deployment = (uid = 'owner-1', image = 'api:1'): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: metadata(uid),
  spec: {
    replicas: 2,
    template: {
      metadata: { labels: { app: 'api' } },
      spec: {
        containers: [
          { name: 'sidecar', image: 'proxy:1' },
          { name: 'api', image },
        ],
      },
    },
  },
  status: { readyReplicas: 2 },
});

describe('cachedPart', () => {
  it('shares the field sets of objects that differ in the uid of their owner', () => {
    const sets = ['owner-1', 'owner-2'].map(
      (uid) => cachedPart(DeploymentKind)(deployment(uid)).metadata.managedFields?.[0]?.fieldsV1,
    );
    assert.ok(sets[0]);
    assert.equal(sets[0], sets[1]);
  });

  it('omits the managed fields of the status', () => {
    const managers = cachedPart(DeploymentKind)(deployment()).metadata.managedFields;
    assert.deepEqual(
      managers?.map(({ manager }) => manager),
      ['pcf-operator'],
    );
  });

  it('retains what the comparison with the desired object reads', () => {
    const desired = (image: string): KubeObject => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'api', namespace: 'team', ownerReferences: [owner('owner-1')] as never },
      spec: { replicas: 2, template: { spec: { containers: [{ name: 'api', image }] } } },
    });
    const live = cachedPart(DeploymentKind)(deployment());
    assert.deepEqual(differences(desired('api:1'), live, 'pcf-operator'), []);
    const found = differences(desired('api:2'), live, 'pcf-operator').map(({ path }) => path);
    assert.deepEqual(found, ['spec.template.spec.containers[name=api].image']);
  });

  for (const file of readdirSync('test/golden').filter((name) => name.endsWith('.yaml')))
    it(`retains every field of ${file} that the operator applies`, () => {
      const objects = parseAllDocuments(readFileSync(`test/golden/${file}`, 'utf8')).map(
        (document) => document.toJS() as KubeObject,
      );
      const ofOwnedKinds = objects.filter(({ kind }) => OWNED_KINDS.some((type) => type.kind === kind));
      assert.ok(ofOwnedKinds.length > 0);
      for (const object of ofOwnedKinds) {
        const live = cachedPart(typeOf(object))(structuredClone(object));
        assert.deepEqual(
          differences(object, live, 'pcf-operator'),
          [],
          `${object.kind} ${object.metadata.name}`,
        );
      }
    });

  it('retains status, replicas and labels of the pods of a Deployment as fields, and the pods as text', () => {
    const live = cachedPart(DeploymentKind)(deployment());
    const spec = live.spec as { template: object };
    assert.deepEqual(live.status, { readyReplicas: 2 });
    assert.deepEqual(Object.keys(spec), ['replicas', 'template']);
    assert.deepEqual(Object.keys(spec.template), ['metadata']);
    assert.deepEqual(JSON.parse(JSON.stringify(live)).spec, deployment().spec);
  });

  it('returns data and spec that are stored as text', () => {
    const record: KubeObject = {
      apiVersion: 'apps/v1',
      kind: 'ControllerRevision',
      metadata: metadata('o'),
      revision: 3,
      data: { image: 'api:1' },
    };
    assert.deepEqual(cachedPart(ControllerRevisionKind)(record).data, { image: 'api:1' });
    const policy: KubeObject = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: metadata('o'),
      spec: { policyTypes: ['Ingress'] },
    };
    assert.deepEqual(cachedPart(NetworkPolicyKind)(policy).spec, { policyTypes: ['Ingress'] });
  });

  it('retains the state of a pod, and omits its spec, addresses and annotations', () => {
    const pod: KubeObject = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        ...metadata('rs'),
        creationTimestamp: '2026-11-30T09:00:00Z',
        annotations: { injected: 'true' },
      },
      spec: { nodeName: 'node' },
      status: {
        phase: 'Running',
        podIP: '10.0.0.1',
        conditions: [{ type: 'Ready', status: 'False', message: 'not ready', lastTransitionTime: 'x' }],
        containerStatuses: [
          {
            name: 'api',
            image: 'api:1',
            ready: false,
            restartCount: 2,
            state: { waiting: { reason: 'CrashLoopBackOff' } },
            lastState: { terminated: { exitCode: 1, message: 'no database' } },
          },
        ],
      },
    };
    const { managedFields: _, ...identity } = metadata('rs');
    assert.deepEqual(cachedPart(PodKind)(pod), {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...identity, creationTimestamp: '2026-11-30T09:00:00Z' },
      status: {
        phase: 'Running',
        conditions: [{ type: 'Ready', status: 'False', message: 'not ready' }],
        containerStatuses: [
          {
            ready: false,
            restartCount: 2,
            state: { waiting: { reason: 'CrashLoopBackOff' } },
            lastState: { terminated: { exitCode: 1, message: 'no database' } },
          },
        ],
      },
    });
  });

  it('retains which pods of an EndpointSlice are ready', () => {
    const slice: KubeObject = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: metadata('o'),
      ports: [{ port: 8080 }],
      endpoints: [
        {
          addresses: ['10.0.0.1'],
          conditions: { ready: true, serving: true },
          targetRef: { kind: 'Pod', name: 'api-1', uid: 'u' },
        },
        {
          addresses: ['10.0.0.2'],
          conditions: { ready: false },
          targetRef: { kind: 'Pod', name: 'api-2', uid: 'v' },
        },
      ],
    };
    const { endpoints, ports } = cachedPart(EndpointSliceKind)(slice);
    assert.equal(ports, undefined);
    assert.deepEqual(endpoints, [
      { conditions: { ready: true }, targetRef: { name: 'api-1' } },
      { conditions: { ready: false }, targetRef: { name: 'api-2' } },
    ]);
  });
});

import assert from 'node:assert/strict';
import { differences } from '../../../operator/runtime/difference.js';
import type { FieldSet, KubeObject, ManagedFields } from '../../../operator/runtime/kube-types.js';
import { lastOtherManager } from '../../../operator/runtime/managed-fields.js';
import { sameQuantity } from '../../../operator/runtime/quantity.js';
import { ownedFields } from '../../support/cluster/owned-fields.js';

/** A part of a Deployment. */
function deployment() {
  return {
    spec: {
      replicas: 2,
      template: {
        spec: {
          containers: [
            {
              name: 'api',
              image: 'pcf:1.10',
              env: [
                { name: 'LOG_LEVEL', value: 'info' },
                { name: 'RATIO', value: '1.10' },
              ],
              resources: { requests: { cpu: '1000m', memory: '0.5Gi' }, limits: { cpu: 2 } },
            },
          ],
        },
      },
    },
  };
}

const container = 'spec.template.spec.containers[name=api]';

function objectOf(content: object, managedFields: ManagedFields[] = []): KubeObject {
  return { apiVersion: 'v1', kind: 'Thing', metadata: { name: 'a', managedFields }, ...content };
}

/** Paths at which `live` differs from `desired`, which was applied earlier. */
function pathsOf(desired: object, live: object, owned: FieldSet = ownedFields(desired)): string[] {
  const { metadata: _, ...rest } = objectOf(desired);
  const ours = { manager: 'us', operation: 'Apply', fieldsV1: owned };
  const found = differences({ ...rest, metadata: { name: 'a' } }, objectOf(live, [ours]), 'us');
  return found.map(({ path }) => path);
}

describe('differences', () => {
  it('returns no paths for equal objects', () => {
    assert.deepEqual(pathsOf(deployment(), deployment()), []);
  });

  it('ignores fields and list items that the server or another manager added', () => {
    const live = {
      ...deployment(),
      status: { replicas: 2 },
      spec: {
        ...deployment().spec,
        revisionHistoryLimit: 10,
        template: {
          spec: {
            restartPolicy: 'Always',
            containers: [
              { name: 'istio-proxy', image: 'proxy' },
              {
                ...deployment().spec.template.spec.containers[0],
                terminationMessagePath: '/dev/termination-log',
                env: [
                  { name: 'INJECTED', value: 'x' },
                  ...deployment().spec.template.spec.containers[0]!.env.toReversed(),
                ],
              },
            ],
          },
        },
      },
    };
    assert.deepEqual(pathsOf(deployment(), live), []);
  });

  it('compares quantities by value', () => {
    const live = deployment();
    live.spec.template.spec.containers[0]!.resources = {
      requests: { cpu: '1', memory: '512Mi' },
      limits: { cpu: 2 },
    };
    assert.deepEqual(pathsOf(deployment(), live), []);
    live.spec.template.spec.containers[0]!.resources.requests.cpu = '1001m';
    assert.deepEqual(pathsOf(deployment(), live), [`${container}.resources.requests.cpu`]);
  });

  it('treats the tolerance 0.05 of an autoscaler and its canonical form 50m as equal', () => {
    const hpa = (tolerance: string) => ({ spec: { behavior: { scaleUp: { tolerance } } } });
    assert.deepEqual(pathsOf(hpa('0.05'), hpa('50m')), []);
    assert.deepEqual(pathsOf(hpa('0.05'), hpa('60m')), ['spec.behavior.scaleUp.tolerance']);
  });

  it('compares other text literally, also if it looks like a quantity', () => {
    const live = deployment();
    live.spec.template.spec.containers[0]!.env[1]!.value = '1.1';
    assert.deepEqual(pathsOf(deployment(), live), [`${container}.env[name=RATIO].value`]);
    assert.deepEqual(pathsOf({ data: { version: '1.10' } }, { data: { version: '1.1' } }), ['data.version']);
  });

  it('returns the paths of changed and missing fields', () => {
    const live = deployment();
    live.spec.replicas = 5;
    live.spec.template.spec.containers[0]!.image = 'pcf:hacked';
    live.spec.template.spec.containers[0]!.env.shift();
    assert.deepEqual(pathsOf(deployment(), live), [
      'spec.replicas',
      `${container}.image`,
      `${container}.env[name=LOG_LEVEL]`,
    ]);
    assert.deepEqual(pathsOf(deployment(), { spec: { replicas: 2 } }), ['spec.template']);
    assert.deepEqual(pathsOf({ spec: { paused: true } }, { spec: {} }), ['spec.paused']);
  });

  it('compares atomic lists by position and length', () => {
    const desired = { args: ['serve', '--port', '4000'] };
    assert.deepEqual(pathsOf(desired, { args: ['serve', '--port', '4001'] }), ['args[2]']);
    assert.deepEqual(pathsOf(desired, { args: ['serve', '--port', '4000', '--debug'] }), ['args']);
    assert.deepEqual(pathsOf(desired, { args: ['serve'] }), ['args']);
  });

  it('distinguishes two ports with the same number by protocol', () => {
    const ports = [
      { port: 53, protocol: 'TCP' },
      { port: 53, protocol: 'UDP' },
    ];
    assert.deepEqual(pathsOf({ ports }, { ports: ports.toReversed() }), []);
    assert.deepEqual(pathsOf({ ports }, { ports: ports.slice(0, 1) }), ['ports[port=53,protocol=UDP]']);
  });

  it('matches a list item by the keys that are set, as the others have defaults', () => {
    const owned = { 'f:ports': { 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:port': {} } } };
    assert.deepEqual(
      pathsOf({ ports: [{ port: 80 }] }, { ports: [{ port: 80, protocol: 'TCP' }] }, owned),
      [],
    );
  });

  it('distinguishes two mounts of one volume by path', () => {
    const volumeMounts = [
      { name: 'scratch', mountPath: '/tmp' },
      { name: 'scratch', mountPath: '/run' },
    ];
    assert.deepEqual(pathsOf({ volumeMounts }, { volumeMounts: volumeMounts.toReversed() }), []);
  });

  it('reports changed order, added items and added fields in a list that one manager owns', () => {
    const route = (...names: string[]) => ({ spec: { http: names.map((name) => ({ name })) } });
    assert.deepEqual(pathsOf(route('a', 'b'), route('a', 'b')), []);
    assert.deepEqual(pathsOf(route('a', 'b'), route('b', 'a')), ['spec.http[0].name', 'spec.http[1].name']);
    assert.deepEqual(pathsOf(route('a'), route('a', 'b')), ['spec.http']);
    // Another manager added a field to the first item, and so owns the list.
    const live = { spec: { http: [{ name: 'a', fault: 'delay' }] } };
    assert.deepEqual(pathsOf(route('a'), live, { 'f:spec': { 'f:hosts': {} } }), ['spec.http']);
  });

  it('ignores defaults that the server adds to items of an atomic list', () => {
    assert.deepEqual(pathsOf({ rules: [{ name: 'a' }] }, { rules: [{ name: 'a', weight: 1 }] }), []);
  });

  it('compares a set without order and extra items', () => {
    const owned = { 'f:hosts': { 'v:"a"': {}, 'v:"b"': {} } };
    assert.deepEqual(pathsOf({ hosts: ['a', 'b'] }, { hosts: ['b', 'x', 'a'] }, owned), []);
    assert.deepEqual(pathsOf({ hosts: ['a', 'b'] }, { hosts: ['b'] }, owned), ['hosts']);
  });

  it('treats an empty value as a missing one', () => {
    const desired = { data: {}, list: [], text: '', off: false, none: undefined };
    assert.deepEqual(pathsOf(desired, {}), []);
  });
});

describe('lastOtherManager', () => {
  const owner = (manager: string, time: string, fieldsV1: FieldSet, subresource?: string): ManagedFields => ({
    manager,
    time: `2026-01-01T00:00:0${time}Z`,
    fieldsV1,
    subresource,
  });
  const replicas = { 'f:spec': { 'f:replicas': {} } };
  const managed = [
    owner('us', '9', replicas),
    owner('kubectl-scale', '1', replicas),
    owner('labeller', '5', { 'f:metadata': { 'f:labels': {} } }),
    owner('controller', '8', { 'f:status': {} }, 'status'),
  ];

  it('returns the manager that owns the field, also if others wrote the object later', () => {
    assert.equal(lastOtherManager(managed, 'us', [['f:spec', 'f:replicas']]), 'kubectl-scale');
  });

  it('returns the manager that wrote the field through the scale subresource, not an earlier writer of the object', () => {
    const scaled = [
      owner('installer', '1', { 'f:metadata': { 'f:annotations': {} } }),
      owner('kube-controller-manager', '7', { 'f:status': {} }, 'status'),
      owner('autoscaler', '6', replicas, 'scale'),
    ];
    assert.equal(lastOtherManager(scaled, 'us', [['f:spec', 'f:replicas']]), 'autoscaler');
  });

  it('does not return a writer of the scale subresource for a removed field', () => {
    const scaled = [owner('labeller', '5', {}), owner('autoscaler', '6', replicas, 'scale')];
    assert.equal(lastOtherManager(scaled, 'us', [['f:metadata', 'f:labels', 'f:app']]), 'labeller');
  });

  it('returns the manager that owns the parent of the field', () => {
    assert.equal(lastOtherManager(managed, 'us', [['f:metadata', 'f:labels', 'f:app']]), 'labeller');
  });

  it('returns the last writer of the object when no manager owns the field', () => {
    assert.equal(lastOtherManager(managed, 'us', [['f:spec', 'f:paused']]), 'labeller');
    assert.equal(lastOtherManager([], 'us', []), 'an unknown manager');
  });
});

describe('sameQuantity', () => {
  for (const [one, other] of [
    ['1000m', '1'],
    ['0.5', '500m'],
    ['1024Mi', '1Gi'],
    ['1e3', '1k'],
    ['2147483648', '2Gi'],
    ['100n', '0.1u'],
    [2, '2'],
  ]) {
    it(`returns true for ${one} and ${other}`, () => assert.ok(sameQuantity(one, other)));
  }
  for (const [one, other] of [
    ['1001m', '1'],
    ['1M', '1Mi'],
    ['x', 'x'],
    ['', '0'],
    [undefined, '0'],
  ]) {
    it(`returns false for ${one} and ${other}`, () => assert.ok(!sameQuantity(one, other)));
  }
});

import assert from 'node:assert/strict';
import { KubeConfig } from '@kubernetes/client-node';
import { pino } from 'pino';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { Caches } from '../../../operator/reconciler/caches.js';
import { JobKind, ServiceKind } from '../../../operator/resources/kinds.js';
import { commonLabels, ownerReference } from '../../../operator/resources/metadata.js';
import { CacheSet } from '../../../operator/runtime/cache-set.js';
import { KubeClient, type KubeObject } from '../../../operator/runtime/kube-client.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

describe('Caches', () => {
  const newCaches = () => {
    const set = new CacheSet(new KubeClient(new KubeConfig()), pino({ level: 'silent' }));
    return new Caches(set);
  };
  const secret = (name: string, namespace = 'platform'): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace },
  });
  const storePcfApi = (caches: Caches, api: ReturnType<typeof pcfApi>, version: string) => {
    api.metadata.resourceVersion = version;
    caches.pcfApis.noteWrite(api as unknown as KubeObject);
  };
  const readers = (caches: Caches, ...of: Parameters<typeof secret>) =>
    caches.readersOf(secret(...of)).map(({ metadata }) => metadata.name);

  it('readersOf returns the PcfApis that reference a Secret, until their spec no longer does', () => {
    const caches = newCaches();
    const env = [{ name: 'GREETING', valueFrom: { secretKeyRef: { name: 'words', key: 'hello' } } }];
    storePcfApi(caches, pcfApi({ env }), '1');
    assert.deepEqual(readers(caches, 'pcf-api-secrets'), ['api']);
    assert.deepEqual(readers(caches, 'words'), ['api']);
    assert.deepEqual(readers(caches, 'words', 'elsewhere'), []);
    storePcfApi(caches, pcfApi(), '2');
    assert.deepEqual(readers(caches, 'words'), []);
    assert.deepEqual(readers(caches, 'pcf-api-secrets'), ['api']);
  });

  it('a running Job is cached whole, and a finished Job without spec and managedFields', () => {
    const caches = newCaches();
    const labels = { 'app.kubernetes.io/managed-by': 'pcf-operator', 'app.kubernetes.io/instance': 'api' };
    const job = (resourceVersion: string, conditions: object[]): KubeObject => ({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: {
        ...{ name: 'j', namespace: 'platform', labels, resourceVersion, managedFields: [] },
        ownerReferences: [ownerReference(pcfApi())],
      },
      spec: { template: {} },
      status: { conditions },
    });
    const cachedJob = () => caches.get(JobKind, pcfApi(), 'j')!;
    caches.noteWrite(JobKind, job('1', [{ type: 'Suspended', status: 'False' }]));
    assert.deepEqual(cachedJob().spec, { template: {} });
    caches.noteWrite(JobKind, job('2', [{ type: 'Complete', status: 'True' }]));
    assert.deepEqual([cachedJob().spec, cachedJob().metadata.managedFields], [undefined, undefined]);
    assert.deepEqual(cachedJob().status, { conditions: [{ type: 'Complete', status: 'True' }] });
  });

  const service = (name: string, instance: PcfApi, ownerReferences?: { uid: string }[]) =>
    ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: {
        ...{ name, namespace: 'platform', labels: commonLabels(instance), resourceVersion: '1' },
        ownerReferences,
      },
    }) as KubeObject;
  const finderFor = (object: KubeObject) => {
    const caches = newCaches();
    caches.noteWrite(ServiceKind, object);
    return (api: PcfApi) => [
      caches.get(ServiceKind, api, object.metadata.name),
      ...caches.ownedBy(ServiceKind, api),
    ];
  };

  it('an object is found only for the owner with its uid, independent of its labels', () => {
    const [web, preview] = [pcfApi(), pcfApi()];
    Object.assign(web.metadata, { name: 'web', uid: 'uid-of-web' });
    Object.assign(preview.metadata, { name: 'web-preview', uid: 'uid-of-web-preview' });
    const object = service('web-preview', web, [ownerReference(web)]);
    const find = finderFor(object);
    assert.deepEqual(find(web), [object, object]);
    assert.deepEqual(find(preview), [undefined]);
    const recreated = { ...web, metadata: { ...web.metadata, uid: 'another-uid' } };
    assert.deepEqual(find(recreated), [undefined]);
  });

  it('an object without an owner is found only if the PcfApi has the annotation adopt-orphans', () => {
    const api = pcfApi();
    const find = finderFor(service('api', api));
    assert.deepEqual(find(api), [undefined]);
    const annotations = { 'pcf.dev/adopt-orphans': 'true' };
    assert.equal(find({ ...api, metadata: { ...api.metadata, annotations } }).length, 2);
    const other = { ...api, metadata: { ...api.metadata, name: 'other', annotations } };
    assert.deepEqual(find(other), [undefined]);
  });

  it('readersOf takes less than 500 ms for 10,000 Secrets with 1,000 PcfApis', () => {
    const caches = newCaches();
    for (let index = 0; index < 1_000; index++) {
      const api = pcfApi({ database: { secretRef: { name: `s-${index}`, key: 'url' } } });
      api.metadata.name = `api-${index}`;
      storePcfApi(caches, api, String(index + 1));
    }
    const from = performance.now();
    const found = Array.from({ length: 10_000 }, (_, index) => readers(caches, `s-${index}`).length);
    assert.equal(
      found.reduce((sum, count) => sum + count),
      1_000,
    );
    const tookMs = performance.now() - from;
    assert.ok(tookMs < 500, `a scan of all PcfApis per Secret takes seconds; this took ${tookMs} ms`);
  });
});

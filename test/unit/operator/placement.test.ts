import assert from 'node:assert/strict';
import { analysisJob } from '../../../operator/analysis/job-object.js';
import type { Request } from '../../../operator/analysis/providers/provider.js';
import { OPERATOR_LABELS } from '../../../operator/api/v1alpha1/spec/labels.js';
import { OPERATOR_VOLUMES } from '../../../operator/api/v1alpha1/spec/volumes.js';
import { type PcfApiSpec, pcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import { hookObject } from '../../../operator/migrations/hook.js';
import { migrationJob } from '../../../operator/migrations/migration-job.js';
import { components } from '../../../operator/resources/components.js';
import { LABELS } from '../../../operator/resources/metadata.js';
import type { PodTemplate } from '../../../operator/resources/pod-template.js';
import { newRevision } from '../../../operator/resources/revision.js';
import { service } from '../../../operator/resources/service.js';
import { serviceAccount } from '../../../operator/resources/service-account.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const affinity = {
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [{ matchExpressions: [{ key: 'disk', operator: 'Exists' as const }] }],
    },
  },
};
const placed = pcfApiSpec.partial().parse({
  podMetadata: {
    labels: { team: 'payments', [LABELS.component]: 'canary' },
    annotations: { 'example.com/scrape': 'false' },
  },
  scheduling: { affinity },
  envFrom: [{ configMapRef: { name: 'proxy' } }],
  volumes: [{ name: 'ca', configMap: { name: 'company-ca' } }],
  volumeMounts: [{ name: 'ca', mountPath: '/etc/ssl/company', readOnly: true }],
  tmp: { sizeLimit: '1Gi' },
  redis: { secretRef: { name: 'pcf-api-secrets' } },
  components: { worker: { enabled: true } },
  migrations: { beforeContract: { job: { image: 'postgres:18' } } },
}) as Partial<PcfApiSpec>;

function templateOf(object: KubeObject): PodTemplate {
  return (object.spec as { template: PodTemplate }).template;
}

describe('pod templates', () => {
  const api = pcfApi(placed);
  const revision = newRevision(api, 1);
  const job = { revision: revision.name, stage: 'expand', attempt: 1 } as const;
  const analysis = analysisJob({
    api,
    subject: { namespace: 'platform', name: 'api', revision: revision.name, image: 'registry/api:1' },
    metric: { spec: { job: { env: [], timeout: '1m' } } },
    due: { name: 'smoke', since: '', number: 1 },
  } as unknown as Request);
  const templates = {
    api: revision.template,
    worker: templateOf(components(api, revision)[0]!),
    migration: templateOf(migrationJob(api, revision, job)),
    hook: templateOf(hookObject(api, revision, 1)),
    analysis: templateOf(analysis),
  };

  for (const [name, template] of Object.entries(templates)) {
    it(`have podMetadata, which does not change labels of the operator: ${name}`, () => {
      const { labels, annotations } = template.metadata;
      assert.equal(labels.team, 'payments');
      assert.deepEqual(annotations, { 'example.com/scrape': 'false' });
      const component = { api: 'api', worker: 'worker', migration: 'migration', hook: 'migration' };
      if (name in component)
        assert.equal(labels[LABELS.component], component[name as keyof typeof component]);
    });
  }

  it('contain a variable once, with the value of the spec, if it was stored before its name was reserved', () => {
    const env = [{ name: 'PCF_API__SHUTDOWN__DELAY', value: '4s' }];
    const stored = pcfApi({ environment: 'development', env });
    const [container] = newRevision(stored, 1).template.spec.containers;
    assert.deepEqual(
      container.env.filter(({ name }) => name === env[0]!.name),
      env,
    );
  });

  it('accept only normalized paths in volumeMounts, as these are compared with reserved paths as strings', () => {
    const accepts = (mountPath: string) =>
      pcfApiSpec.shape.volumeMounts.safeParse([{ name: 'data', mountPath }]).success;
    for (const path of ['/data', '/mnt/data', '/mnt/.cache', '/mnt/a..b']) assert.ok(accepts(path), path);
    for (const path of ['/', '//', '/etc/', '//etc', '/mnt/../etc', '/./tmp', '/mnt/..', 'mnt', '/a:b'])
      assert.ok(!accepts(path), path);
  });

  for (const name of ['api', 'worker', 'migration'] as const) {
    it(`have the affinity, volumes and variables of the spec: ${name}`, () => {
      const { spec } = templates[name];
      const [container] = spec.containers;
      assert.deepEqual(spec.affinity, affinity);
      assert.deepEqual(container.envFrom, [{ configMapRef: { name: 'proxy' } }]);
      assert.deepEqual((container.volumeMounts as object[]).at(-1), {
        ...{ name: 'ca', mountPath: '/etc/ssl/company', readOnly: true },
      });
      assert.deepEqual((spec.volumes as object[]).at(-1), { name: 'ca', configMap: { name: 'company-ca' } });
      assert.deepEqual(
        (spec.volumes as { name: string }[]).find((volume) => volume.name === 'tmp'),
        { name: 'tmp', emptyDir: { sizeLimit: '1Gi' } },
      );
    });
  }

  it('have no volume of the operator and no selector label that the schema does not reserve', () => {
    const traffic = { provider: 'None', backendTLS: { secretName: 'pods' } };
    const { volumes } = newRevision(pcfApi({ traffic } as never), 1).template.spec;
    assert.deepEqual(
      (volumes as { name: string }[]).map(({ name }) => name),
      OPERATOR_VOLUMES,
    );
    const unreserved = Object.values(LABELS).filter(
      (label) => !label.startsWith('pcf.dev/') && !OPERATOR_LABELS.includes(label),
    );
    assert.deepEqual(unreserved, []);
  });
});

describe('Service and ServiceAccount', () => {
  const annotations = { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::123456789012:role/api' };

  it('the ServiceAccount has the labels and annotations of the spec', () => {
    const { metadata } = serviceAccount(pcfApi({ serviceAccount: { labels: { team: 'a' }, annotations } }));
    assert.deepEqual(metadata.annotations, annotations);
    assert.equal(metadata.labels?.team, 'a');
    assert.equal(metadata.labels?.[LABELS.instance], 'api');
  });

  it('the Service has the type and annotations of the spec, and neither by default', () => {
    const made = service(pcfApi({ service: { type: 'LoadBalancer', annotations } }));
    assert.equal((made.spec as { type?: string }).type, 'LoadBalancer');
    assert.deepEqual(made.metadata.annotations, annotations);
    const plain = service(pcfApi());
    assert.deepEqual(
      [(plain.spec as { type?: string }).type, plain.metadata.annotations],
      [undefined, undefined],
    );
  });
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { undoPatch } from '../../../cli/undo-patch.js';
import { podResources, topologySpread } from '../../../operator/api/v1alpha1/defaults.js';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { type PcfApiSpec, pcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import { migrationJob } from '../../../operator/migrations/migration-job.js';
import { deployment } from '../../../operator/resources/deployment.js';
import { readRecord } from '../../../operator/resources/position-record.js';
import {
  ADOPT_ANNOTATION,
  controllerRevision,
  isOutdated,
  isRevisionOf,
  newRevision,
  revisionName,
  revisionOf,
} from '../../../operator/resources/revision.js';
import { migrations, pcfApi } from '../../support/fixtures/fixtures.js';

const everything: Partial<PcfApiSpec> = {
  imagePullSecrets: [{ name: 'registry' }],
  environment: 'staging',
  resources: { requests: { cpu: '1', memory: '1Gi' }, limits: { memory: '2Gi' } },
  env: [
    { name: 'GREETING', value: 'hello' },
    { name: 'KEY', valueFrom: { secretKeyRef: { name: 'keys', key: 'key' } } },
  ],
  config: { logging: { level: 'debug' } },
  probes: {
    startup: { periodSeconds: 2, timeoutSeconds: 3, failureThreshold: 4 },
    readiness: { periodSeconds: 2, timeoutSeconds: 3, failureThreshold: 4 },
    liveness: { periodSeconds: 2, timeoutSeconds: 3, failureThreshold: 4 },
  },
  terminationGracePeriod: '1m',
  scheduling: {
    nodeSelector: { disk: 'fast' },
    tolerations: [
      { key: 'only', operator: 'Equal', value: 'api', effect: 'NoExecute', tolerationSeconds: 9 },
    ],
    priorityClassName: 'high',
  },
  availability: { topologySpread: 'Node' },
  // Parsed as a user's manifest. Future defaults are added too, and must not change the hash.
  ...pcfApiSpec.partial().parse({
    database: {
      secretRef: { name: 'pcf-api-secrets' },
      readReplicaSecretRef: { name: 'pcf-api-secrets' },
      maxConnections: 50,
    },
    redis: { secretRef: { name: 'pcf-api-secrets' }, mode: 'Cluster' },
    auth: { jwtSecretRef: { name: 'pcf-api-secrets' }, rotation: {} },
    secrets: { onChange: 'Rollout' },
  }),
};

const near = { topologyKey: 'kubernetes.io/hostname', labelSelector: {} };

describe('revision', () => {
  const name = revisionName(pcfApi());

  it('has the same name for any order of keys', () => {
    assert.equal(
      revisionName(pcfApi({ config: { a: { x: 1, y: 2 } } })),
      revisionName(pcfApi({ config: { a: { y: 2, x: 1 } } })),
    );
    assert.match(name, /^api-[bcdfghjklmnpqrstvwxz2456789]{10}$/);
  });

  for (const [label, spec] of Object.entries({
    image: { image: 'registry.example.com/pcf-api:1.0.1' },
    environment: { environment: 'staging' as const },
    config: { config: { logging: { level: 'debug' } } },
    env: { env: [{ name: 'A', value: '1' }] },
    resources: { resources: { limits: { memory: '1Gi' } } },
    'the JWT secret': { auth: { jwtSecretRef: { name: 'pcf-api-secrets', key: 'jwt-secret' } } },
    'the tracing endpoint': {
      monitoring: {
        serviceMonitor: false,
        interval: '30s',
        tracing: { endpoint: 'http://collector:4318/v1/traces' },
      },
    },
    podMetadata: { podMetadata: { annotations: { a: 'b' } } },
    envFrom: { envFrom: [{ secretRef: { name: 'keys' } }] },
    volumes: { volumes: [{ name: 'data', emptyDir: {} }] },
    volumeMounts: { volumeMounts: [{ name: 'data', mountPath: '/mnt/data' }] },
    tmp: { tmp: { sizeLimit: '1Gi' } },
    affinity: {
      scheduling: { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [near] } } },
    },
    'the database Secret': { database: { secretRef: { name: 'other', key: 'database-url' } } },
  })) {
    it(`has another name after a change of ${label}`, () =>
      assert.notEqual(revisionName(pcfApi(spec)), name));
  }

  for (const [label, spec] of Object.entries({
    canaryWeight: { canaryWeight: 50 },
    replicas: { replicas: 9 },
    paused: { paused: true },
    traffic: { traffic: undefined },
    migrations: { migrations: migrations('Disabled') },
    service: { service: { type: 'LoadBalancer' as const } },
    serviceAccount: { serviceAccount: { annotations: { a: 'b' } } },
    network: { network: pcfApiSpec.shape.network.parse({ metricsFrom: [{ cidr: '10.0.0.0/8' }] }) },
  })) {
    it(`has the same name after a change of ${label}`, () => assert.equal(revisionName(pcfApi(spec)), name));
  }

  it('has the same name and pods after a change of the rotation interval, and an undo keeps the interval', () => {
    const rotated = (interval?: string) =>
      pcfApi({
        auth: { jwtSecretRef: { name: 'jwt', key: 'jwt-secret' }, rotation: { interval, overlap: '1h' } },
      });
    const [before, after] = [rotated(), rotated('720h')];
    assert.equal(revisionName(after), revisionName(before));
    assert.deepEqual(newRevision(after, 1), newRevision(before, 1));
    const patch = undoPatch(after.spec, newRevision(before, 1).inputs!) as Pick<PcfApiSpec, 'auth'>;
    assert.deepEqual(patch.auth?.rotation, { overlap: '1h' });
  });

  const neutral: Partial<PcfApiSpec>[] = [
    { probes: {} },
    { probes: { startup: {}, readiness: { periodSeconds: 2 } } },
    { scheduling: {} },
    { scheduling: { nodeSelector: {}, tolerations: [], affinity: {} } },
    { scheduling: { affinity: { nodeAffinity: {}, podAffinity: {} } } },
    {
      scheduling: { affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } } },
    },
    { imagePullSecrets: [] },
    { podMetadata: {} },
    { podMetadata: { labels: {}, annotations: {} } },
    { envFrom: [], volumes: [], volumeMounts: [] },
    { tmp: {} },
    { config: {} },
    { config: { logging: {} } },
    { resources: podResources({ environment: pcfApi().spec.environment }) },
    { resources: {} },
    { resources: { requests: {}, limits: {} } },
    { resources: { requests: { cpu: '0.5', memory: '0.75Gi' }, limits: { cpu: 2, memory: '2048Mi' } } },
    { secrets: { provider: 'Kubernetes', onChange: 'Reload', refreshInterval: '1h' } },
    { monitoring: { serviceMonitor: true, interval: '30s' } },
    { terminationGracePeriod: '45s' },
    { terminationGracePeriod: '45000ms' },
    { availability: {} },
    { availability: { topologySpread: topologySpread(pcfApi().spec) } },
  ];
  it('has the same name after any combination of empty blocks and explicit defaults', () => {
    fc.assert(
      fc.property(fc.subarray(neutral), (blocks) => {
        const api = pcfApi(Object.assign({}, ...blocks));
        assert.equal(revisionName(api), name);
        assert.equal(isOutdated(api, newRevision(pcfApi(), 1)), false);
      }),
    );
  });

  const base = pcfApi().spec;
  const secretRef = { name: 'pcf-api-secrets', key: 'redis-url' };
  const timing = { timeoutSeconds: 2, failureThreshold: 60 };
  const taint = { key: 'only', value: 'api' };
  // Pairs of equivalent specs: the second one contains a default explicitly.
  for (const [label, short, long] of [
    ['redis.mode', { redis: { secretRef } }, { redis: { secretRef, mode: 'Standalone' } }],
    [
      'the other fields of a changed probe',
      { probes: { startup: { periodSeconds: 9 } } },
      { probes: { startup: { periodSeconds: 9, ...timing }, liveness: {} } },
    ],
    [
      'the operator of a toleration',
      { scheduling: { tolerations: [taint] } },
      { scheduling: { tolerations: [{ ...taint, operator: 'Equal' }], nodeSelector: {} } },
    ],
    [
      'an empty value of a toleration',
      { scheduling: { tolerations: [{ operator: 'Exists' }] } },
      { scheduling: { tolerations: [{ operator: 'Exists', key: '', value: '' }] } },
    ],
    [
      'empty limits next to requests',
      { resources: { requests: { cpu: '1' } } },
      { resources: { requests: { cpu: '1' }, limits: {} } },
    ],
  ] satisfies [string, Partial<PcfApiSpec>, Partial<PcfApiSpec>][]) {
    it(`has the same name and pods with an explicit and an omitted default: ${label}`, () => {
      const [omitted, explicit] = [pcfApi(short), pcfApi(long)];
      assert.equal(revisionName(explicit), revisionName(omitted));
      assert.notEqual(revisionName(omitted), name, 'the block itself changes the name');
      assert.equal(isOutdated(explicit, newRevision(omitted, 1)), false);
    });
  }

  it('has the same name with an explicit and a defaulted key of a Secret', () => {
    const database = { secretRef: { name: 'pcf-api-secrets', key: 'database-url' } };
    assert.equal(revisionName(pcfApi({ database })), revisionName({ ...pcfApi(), spec: base }));
  });

  it('has the default resources if the spec has an empty resources block', () => {
    const { resources } = newRevision(pcfApi({ resources: {} }), 1).template.spec.containers[0];
    assert.deepEqual(resources, podResources({ environment: base.environment }));
  });

  it('matches an equivalent spec, also if an older operator gave it another name', () => {
    const api = pcfApi({ probes: {} });
    const older = { ...newRevision(api, 1), name: 'api-bcdfghjklm' };
    assert.equal(isRevisionOf(api, older), true);
    assert.equal(isRevisionOf(pcfApi(), older), true);
    assert.equal(isRevisionOf(pcfApi({ image: 'registry.example.com/pcf-api:9' }), older), false);
    const { inputs: _, ...withoutInputs } = older;
    assert.equal(isRevisionOf(api, withoutInputs), false);
  });

  it('has another name after a setting is emptied: an empty list is a value', () => {
    const of = (config: PcfApiSpec['config']) => revisionName(pcfApi({ config }));
    assert.notEqual(of({ cors: { origins: [] } }), name);
  });

  /*
   * Do not change these names: if a name differs in the next version, the upgrade of the operator starts
   * a delivery of every PcfApi. A new default must not enter the hash; see CONTRIBUTING.md.
   */
  for (const [label, spec, fixed] of [
    ['minimal spec', {}, 'api-4j2vcpkd74'],
    ['spec with every field that affects pods', everything, 'api-khb9r9hhdt'],
  ] as const) {
    it(`has the same name in every version of the operator: ${label}`, () =>
      assert.equal(revisionName(pcfApi(spec), 'secrets'), fixed));
  }

  it('has another name for the same spec if its pods must be rendered again', () => {
    const stable = newRevision(pcfApi(), 1);
    const older = {
      ...stable,
      template: { ...stable.template, spec: { ...stable.template.spec, hostIPC: true } },
    };
    assert.deepEqual([isOutdated(pcfApi(), stable), isOutdated(pcfApi(), older)], [false, true]);
    assert.equal(
      isOutdated(pcfApi({ config: { a: { b: 1 } } }), older),
      false,
      'another spec is another revision',
    );
    const adopting = pcfApi();
    adopting.metadata.annotations = { [ADOPT_ANNOTATION]: stable.name };
    const again = newRevision(adopting, 2);
    assert.notEqual(again.name, stable.name);
    assert.equal(again.adopted, stable.name);
    assert.equal(isOutdated(adopting, again), false);
  });

  it('is restored from its ControllerRevision without changes', () => {
    const revision = newRevision(pcfApi({ config: { logging: { level: 'debug' } } }), 4);
    const stored = JSON.parse(JSON.stringify(controllerRevision(pcfApi(), revision)));
    assert.deepEqual(revisionOf(stored), JSON.parse(JSON.stringify(revision)));
  });

  it('does not change its template after a change of the spec', () => {
    const revision = newRevision(pcfApi(), 1);
    const later = deployment(pcfApi({ image: 'registry.example.com/pcf-api:9' }), revision, 2);
    assert.equal(JSON.stringify(later).includes('pcf-api:9'), false);
  });

  it('writes spec.config as TOML', () => {
    assert.match(
      newRevision(pcfApi({ config: { logging: { level: 'debug' } } }), 1).config,
      /\[logging\]\nlevel = "debug"/,
    );
  });

  it('exports spans to the tracing endpoint of the spec', () => {
    const endpoint = 'http://collector.monitoring:4318/v1/traces';
    const api = pcfApi({ monitoring: { serviceMonitor: false, interval: '30s', tracing: { endpoint } } });
    const { env } = newRevision(api, 1).template.spec.containers[0];
    const value = env.find(({ name }) => name === 'PCF_API__TRACING__ENDPOINT')?.value;
    assert.equal(value, endpoint);
  });

  it('runs as non-root, without capabilities and ServiceAccount token, on a read-only root filesystem', () => {
    const { spec } = newRevision(pcfApi(), 1).template;
    const [container] = spec.containers;
    assert.equal(spec.automountServiceAccountToken, false);
    assert.deepEqual(spec.securityContext, {
      runAsNonRoot: true,
      runAsUser: 1001,
      runAsGroup: 1001,
      fsGroup: 1001,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    assert.deepEqual(container.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
  });

  it('reads Secrets from files, or from environment variables with onChange Rollout', () => {
    const variables = (api = pcfApi()) => newRevision(api, 1).template.spec.containers[0].env;
    const find = (name: string, api?: PcfApi) => variables(api).find((variable) => variable.name === name);
    assert.deepEqual(find('PCF_API__DATABASE__URL_FILE'), {
      name: 'PCF_API__DATABASE__URL_FILE',
      value: '/etc/pcf/secrets/pcf-api-secrets/database-url',
    });
    const rollout = pcfApi({
      secrets: { provider: 'Kubernetes', onChange: 'Rollout', refreshInterval: '1h' },
    });
    assert.deepEqual(find('PCF_API__DATABASE__URL', rollout), {
      name: 'PCF_API__DATABASE__URL',
      valueFrom: { secretKeyRef: { name: 'pcf-api-secrets', key: 'database-url' } },
    });
    assert.equal(find('PCF_API__DATABASE__URL_FILE', rollout), undefined);
  });

  it('has a migration Job with its image and settings, whose pod has no labels or probes of a serving pod', () => {
    const revision = newRevision(pcfApi(), 1);
    const { spec } = migrationJob(
      pcfApi({ migrations: { ...migrations('Automatic'), deadline: '90s' } }),
      revision,
      { revision: revision.name, stage: 'expand', attempt: 1 },
    ) as unknown as {
      spec: { activeDeadlineSeconds: number; template: typeof revision.template };
    };
    assert.equal(spec.activeDeadlineSeconds, 90);
    assert.deepEqual(spec.template.spec.containers[0].args, ['migrate', 'up', '--phase', 'expand', '--json']);
    const { env } = spec.template.spec.containers[0];
    const own = env.filter(({ name }) => !name.startsWith('PCF_SCHEMA_CHECK'));
    assert.deepEqual(own, revision.template.spec.containers[0].env);
    assert.equal(spec.template.metadata.labels['app.kubernetes.io/component'], 'migration');
    assert.equal(spec.template.spec.containers[0].readinessProbe, undefined);
  });

  it('stores a part of the delivery position in its ControllerRevision, and reads it back', () => {
    const record = {
      knownMigrations: [{ revision: 'a', migrations: ['DropPrice'] }],
      failed: { revision: 'a', reason: 'CrashLoop', message: 'it crashed', at: '2026-11-23T10:00:00Z' },
    };
    const revision = newRevision(pcfApi(), 1);
    const object = controllerRevision(pcfApi(), revision, record);
    assert.deepEqual(readRecord(object), record);
    assert.deepEqual(revisionOf(object), revision);
    assert.equal(readRecord(controllerRevision(pcfApi(), revision)), undefined);
    for (const text of ['{', '[]', '{"knownMigrations":1}']) {
      const annotations = { 'pcf.dev/position': text };
      assert.equal(readRecord({ ...object, metadata: { ...object.metadata, annotations } }), undefined, text);
    }
  });
});

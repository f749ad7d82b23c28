import assert from 'node:assert/strict';
import type { PcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import { findIssues } from '../../../operator/reconciler/issues.js';
import type { Observed } from '../../../operator/reconciler/observed.js';
import { components } from '../../../operator/resources/components.js';
import { mostPods } from '../../../operator/resources/connection-budget.js';
import { ingress } from '../../../operator/resources/ingress.js';
import { podSelector } from '../../../operator/resources/metadata.js';
import { newRevision } from '../../../operator/resources/revision.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

interface Shape {
  selector: { matchLabels: Record<string, string> } & Record<string, string>;
  replicas: number;
  template: {
    metadata: { labels: Record<string, string> };
    spec: {
      containers: { args: string[]; env: { name: string; value?: string }[] }[];
      topologySpreadConstraints?: { topologyKey: string; labelSelector: object }[];
    };
  };
}

const auth = { jwtSecretRef: { name: 'pcf-api-secrets', key: 'jwt-secret' } };
const withAuth: Partial<PcfApiSpec> = { auth, components: { auth: { enabled: true, replicas: 2 } } };

describe('auth component', () => {
  const api = pcfApi(withAuth);
  const revision = newRevision(api, 1);

  it('consists of a Deployment of the stable image, a Service that selects only its pods, and a PodDisruptionBudget', () => {
    const objects = components(api, revision);
    assert.deepEqual(
      objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`),
      ['Deployment/api-auth', 'Service/api-auth', 'PodDisruptionBudget/api-auth'],
    );
    const [deployment, service] = objects.map(({ spec }) => spec as unknown as Shape);
    const [container] = deployment!.template.spec.containers;
    assert.deepEqual([deployment!.replicas, container!.args], [2, ['auth']]);
    const { labels } = deployment!.template.metadata;
    const selects = (selector: object) =>
      Object.entries(selector).every(([key, value]) => labels[key] === value);
    assert.ok(selects(service!.selector) && selects(deployment!.selector.matchLabels));
    assert.ok(!selects(podSelector(api)), "the API's Service must not select the auth pods");
  });

  it('reads the JWT secret from a file, and gets the overlap of the rotation in seconds', () => {
    const [deployment] = components(
      pcfApi({ ...withAuth, auth: { ...auth, rotation: { overlap: '1h30m' } } }),
      newRevision(pcfApi({ auth: { ...auth, rotation: { overlap: '1h30m' } } }), 1),
    );
    const { env } = (deployment!.spec as unknown as Shape).template.spec.containers[0]!;
    const value = (name: string) => env.find((variable) => variable.name === name)?.value;
    assert.equal(value('PCF_API__AUTH__JWT_SECRET_FILE'), '/etc/pcf/secrets/pcf-api-secrets/jwt-secret');
    assert.equal(value('PCF_API__AUTH__JWT_SECRET'), undefined);
    assert.equal(value('PCF_API__AUTH__ROTATION_OVERLAP'), '5400s');
  });

  it('trusts one proxy behind a gateway, unless spec.config sets trusted_proxies', () => {
    const trusted = (spec: Partial<PcfApiSpec>) => {
      const behind = pcfApi({ ...withAuth, ...spec });
      const [deployment] = components(behind, newRevision(behind, 1));
      const { env } = (deployment!.spec as unknown as Shape).template.spec.containers[0]!;
      return env.filter(({ name }) => name === 'PCF_API__SERVER__TRUSTED_PROXIES').map(({ value }) => value);
    };
    const istio = { provider: 'Istio', hosts: ['api.example.com'], gateways: ['public'] } as never;
    assert.deepEqual(trusted({ traffic: istio }), ['1']);
    assert.deepEqual(
      trusted({ traffic: { provider: 'None' } as never }),
      [],
      'there is no proxy without a gateway',
    );
    assert.deepEqual(trusted({ traffic: istio, config: { server: { trusted_proxies: '2' } } }), []);
  });

  it('is the backend of path /auth of the Ingress', () => {
    const hosts = ['api.example.com'];
    const pathsOf = (given: PcfApiSpec) => {
      const { rules } = ingress({ ...api, spec: given })!.spec as unknown as {
        rules: { http: { paths: { path: string; backend: { service: { name: string } } }[] } }[];
      };
      return rules[0]!.http.paths.map(({ path, backend }) => [path, backend.service.name]);
    };
    const traffic = { provider: 'None' as const, hosts, gateways: [], ingress: {} };
    assert.deepEqual(pathsOf({ ...api.spec, traffic }), [
      ['/auth', 'api-auth'],
      ['/', 'api'],
    ]);
    assert.deepEqual(pathsOf({ ...api.spec, traffic, components: {} }), [['/', 'api']]);
  });

  it('is not created unless it is enabled, nor before a stable revision exists', () => {
    assert.deepEqual(components(pcfApi({ auth }), revision), []);
    assert.deepEqual(components(api, undefined), []);
  });

  it('spreads its own pods over zones and nodes, and a drain evicts one pod at a time', () => {
    const [deployment, , budget] = components(api, revision);
    const matchLabels = { 'app.kubernetes.io/instance': 'api', 'app.kubernetes.io/component': 'auth' };
    const { topologySpreadConstraints } = (deployment!.spec as unknown as Shape).template.spec;
    assert.deepEqual(
      topologySpreadConstraints?.map(({ topologyKey, labelSelector }) => [topologyKey, labelSelector]),
      ['topology.kubernetes.io/zone', 'kubernetes.io/hostname'].map((key) => [key, { matchLabels }]),
    );
    const { selector, maxUnavailable } = budget!.spec as unknown as Shape & { maxUnavailable: number };
    assert.deepEqual([selector, maxUnavailable], [{ matchLabels }, 1]);
    const kinds = (spec: Partial<PcfApiSpec>) =>
      components(pcfApi({ ...withAuth, ...spec }), revision).map(({ kind }) => kind);
    assert.deepEqual(kinds({ components: { auth: { enabled: true, replicas: 1 } } }), [
      'Deployment',
      'Service',
    ]);
    const off = { podDisruptionBudget: { enabled: false } };
    assert.deepEqual(kinds({ availability: off }), ['Deployment', 'Service']);
  });

  it('counts its pods in the connection budget, including the surge pod of a rollout', () => {
    assert.equal(mostPods(api) - mostPods(pcfApi({ auth })), 3);
    const none = { auth: { enabled: true, replicas: 0 } };
    assert.equal(mostPods(pcfApi({ auth, components: none })), mostPods(pcfApi({ auth })));
  });
});

describe('findIssues: a component that does not run', () => {
  it('is reported as ComponentUnavailable with the error of its pod', () => {
    const observed = {
      api: pcfApi(withAuth),
      delivery: { revisions: [], position: {} },
      migrations: new Map(),
      revisions: new Map(),
      missingKinds: [],
      foreignAutoscalers: [],
      hostConflicts: [],
      uncreated: new Map(),
      componentTroubles: [{ component: 'auth', trouble: 'api-auth-1: ErrImagePull: manifest unknown' }],
    } as unknown as Observed;
    assert.deepEqual(findIssues(observed, [], { position: {}, replicas: {} } as never), [
      {
        reason: 'ComponentUnavailable',
        message: 'auth does not run: api-auth-1: ErrImagePull: manifest unknown',
      },
    ]);
  });
});

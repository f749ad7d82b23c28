import assert from 'node:assert/strict';
import type { PcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import { findIssues } from '../../../operator/reconciler/issues.js';
import type { Observed } from '../../../operator/reconciler/observed.js';
import { components } from '../../../operator/resources/components.js';
import { mostPods } from '../../../operator/resources/connection-budget.js';
import { ingress } from '../../../operator/resources/ingress.js';
import { podSelector } from '../../../operator/resources/metadata.js';
import { newRevision } from '../../../operator/resources/revision.js';
import { pcfApi } from '../../support/fixtures.js';

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
const withLogin: Partial<PcfApiSpec> = { auth, components: { auth: { enabled: true, replicas: 2 } } };

describe('the login', () => {
  const api = pcfApi(withLogin);
  const revision = newRevision(api, 1);

  it('is a Deployment of the stable image, a Service that leads to its pods alone, and a budget for drains', () => {
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
    assert.ok(!selects(podSelector(api)), "the API's Service must not lead to the login");
  });

  it('reads the secret of the tokens from a file, and knows how long the one before it is good', () => {
    const [deployment] = components(
      pcfApi({ ...withLogin, auth: { ...auth, rotation: { overlap: '1h30m' } } }),
      newRevision(pcfApi({ auth: { ...auth, rotation: { overlap: '1h30m' } } }), 1),
    );
    const { env } = (deployment!.spec as unknown as Shape).template.spec.containers[0]!;
    const value = (name: string) => env.find((variable) => variable.name === name)?.value;
    assert.equal(value('PCF_API__AUTH__JWT_SECRET_FILE'), '/etc/pcf/secrets/pcf-api-secrets/jwt-secret');
    assert.equal(value('PCF_API__AUTH__JWT_SECRET'), undefined);
    assert.equal(value('PCF_API__AUTH__ROTATION_OVERLAP'), '5400s');
  });

  it('takes the gateway at its word of who the client is, unless something else is said', () => {
    const trusted = (spec: Partial<PcfApiSpec>) => {
      const behind = pcfApi({ ...withLogin, ...spec });
      const [deployment] = components(behind, newRevision(behind, 1));
      const { env } = (deployment!.spec as unknown as Shape).template.spec.containers[0]!;
      return env.filter(({ name }) => name === 'PCF_API__SERVER__TRUSTED_PROXIES').map(({ value }) => value);
    };
    const istio = { provider: 'Istio', hosts: ['api.example.com'], gateways: ['public'] } as never;
    assert.deepEqual(trusted({ traffic: istio }), ['1']);
    assert.deepEqual(trusted({ traffic: { provider: 'None' } as never }), [], 'nobody is before it');
    assert.deepEqual(trusted({ traffic: istio, config: { server: { trusted_proxies: '2' } } }), []);
  });

  it('is behind path /auth of the Ingress', () => {
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

  it('is not there unless asked for, nor before there is a stable revision', () => {
    assert.deepEqual(components(pcfApi({ auth }), revision), []);
    assert.deepEqual(components(api, undefined), []);
  });

  it('is kept apart as the API is, among its own pods, and a drain takes one at a time', () => {
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
      components(pcfApi({ ...withLogin, ...spec }), revision).map(({ kind }) => kind);
    assert.deepEqual(kinds({ components: { auth: { enabled: true, replicas: 1 } } }), [
      'Deployment',
      'Service',
    ]);
    const off = { podDisruptionBudget: { enabled: false } };
    assert.deepEqual(kinds({ availability: off }), ['Deployment', 'Service']);
  });

  it('has its part of the connections, with the pod that its rollout starts beside the others', () => {
    assert.equal(mostPods(api) - mostPods(pcfApi({ auth })), 3);
    const none = { auth: { enabled: true, replicas: 0 } };
    assert.equal(mostPods(pcfApi({ auth, components: none })), mostPods(pcfApi({ auth })));
  });
});

describe('a component that does not run', () => {
  it('is a reason for Degraded, with what its pod reports', () => {
    const seen = {
      api: pcfApi(withLogin),
      delivery: { revisions: [], position: {} },
      migrations: new Map(),
      revisions: new Map(),
      missingKinds: [],
      foreignAutoscalers: [],
      hostConflicts: [],
      uncreated: new Map(),
      componentTroubles: [{ component: 'auth', trouble: 'api-auth-1: ErrImagePull: manifest unknown' }],
    } as unknown as Observed;
    assert.deepEqual(findIssues(seen, [], { position: {}, replicas: {} } as never), [
      {
        reason: 'ComponentUnavailable',
        message: 'auth does not run: api-auth-1: ErrImagePull: manifest unknown',
      },
    ]);
  });
});

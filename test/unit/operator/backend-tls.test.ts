import assert from 'node:assert/strict';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { observe } from '../../../operator/reconciler/observe.js';
import { EMPTY_CLUSTER } from '../../../operator/reconciler/render.js';
import { routeTrouble } from '../../../operator/reconciler/route-trouble.js';
import { missingSecrets, secretsHash } from '../../../operator/reconciler/secret-digests.js';
import { securedBackends } from '../../../operator/resources/backend-tls.js';
import { components } from '../../../operator/resources/components.js';
import { externalSecrets } from '../../../operator/resources/external-secret.js';
import type { Container } from '../../../operator/resources/pod-template.js';
import { newRevision, type Revision, revisionName } from '../../../operator/resources/revision.js';
import { service } from '../../../operator/resources/service.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { gatewayApi } from '../../../operator/traffic/gateway-api.js';
import { istio } from '../../../operator/traffic/istio.js';
import type { TrafficRouter } from '../../../operator/traffic/router.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const backendTLS = { secretName: 'pods' };

function apiWith(traffic: object = {}, spec: object = {}): PcfApi {
  return pcfApi({ ...spec, traffic: { ...pcfApi().spec.traffic, ...traffic } } as never);
}

interface Probed extends Container {
  readinessProbe: { httpGet: { scheme: string } };
}

const containerOf = (revision: Revision) => revision.template.spec.containers[0] as Probed;
const schemeOf = ({ readinessProbe }: Probed) => readinessProbe.httpGet.scheme;

describe('traffic.backendTLS', () => {
  const plain = newRevision(apiWith(), 1);
  const secure = newRevision(apiWith({ backendTLS }), 2);
  const route = { weights: { [plain.name]: 90, [secure.name]: 10 }, service: plain.name };
  const retained = [plain.name, secure.name];

  it('a pod serves HTTPS with the files of the Secret, and all probes use HTTPS', () => {
    const { spec } = secure.template;
    const container = containerOf(secure);
    const { startupProbe, livenessProbe } = container as unknown as Record<string, Probed['readinessProbe']>;
    for (const probe of [startupProbe!, container.readinessProbe, livenessProbe!])
      assert.equal(probe.httpGet.scheme, 'HTTPS');
    const env = new Map(container.env.map(({ name, value }) => [name, value]));
    assert.equal(env.get('PCF_API__SERVER__TLS__CERT_FILE'), '/etc/pcf/tls/tls.crt');
    assert.equal(env.get('PCF_API__SERVER__TLS__KEY_FILE'), '/etc/pcf/tls/tls.key');
    assert.match(JSON.stringify(spec.volumes), /"secretName":"pods"/);
    assert.equal(schemeOf(containerOf(plain)), 'HTTP');
  });

  it('enabling it creates a new revision, and a change of the hostname that gateways verify does not', () => {
    assert.notEqual(plain.name, secure.name);
    assert.equal(
      revisionName(apiWith({ backendTLS: { ...backendTLS, hostname: 'a.example.com' } })),
      secure.name,
    );
  });

  it('Istio: only the subset of a revision that serves HTTPS has a TLS policy', () => {
    const api = apiWith({ backendTLS: { ...backendTLS, caFile: '/etc/ca.crt' } });
    const objects = istio.render(api, route, retained, { secured: securedBackends(api, [plain, secure]) });
    const rule = objects.find(({ kind }) => kind === 'DestinationRule');
    const { subsets } = rule!.spec as { subsets: { name: string; trafficPolicy?: object }[] };
    const policyOf = (name: string) => subsets.find((subset) => subset.name === name)?.trafficPolicy;
    assert.equal(policyOf(plain.name), undefined);
    assert.deepEqual(policyOf(secure.name), {
      tls: {
        mode: 'SIMPLE',
        sni: 'api.platform.svc',
        subjectAltNames: ['api.platform.svc'],
        caCertificates: '/etc/ca.crt',
      },
    });
  });

  it('the Service of the auth component has a TLS policy only if the stable revision serves HTTPS', () => {
    const api = apiWith({ backendTLS: { ...backendTLS, hostname: 'pods.example.com' } });
    const secured = securedBackends(api, [secure]);
    const auth = { service: 'api-auth', servesHttps: true };
    const withAuth = (router: TrafficRouter, servesHttps: boolean) =>
      router.render(api, route, retained, { secured, auth: { ...auth, servesHttps } });
    const ruleOf = (objects: KubeObject[]) => objects.find(({ metadata }) => metadata.name === 'api-auth');
    const { host, trafficPolicy } = ruleOf(withAuth(istio, true))!.spec as Record<string, unknown>;
    assert.equal(host, 'api-auth.platform.svc.cluster.local');
    assert.deepEqual(trafficPolicy, {
      tls: { mode: 'SIMPLE', sni: 'pods.example.com', subjectAltNames: ['pods.example.com'] },
    });
    assert.equal(ruleOf(withAuth(istio, false)), undefined);
    const targetsOf = (objects: KubeObject[]) => {
      const policy = objects.find(({ kind }) => kind === 'BackendTLSPolicy')!;
      return (policy.spec as { targetRefs: { name: string }[] }).targetRefs.map(({ name }) => name);
    };
    assert.deepEqual(targetsOf(withAuth(gatewayApi, true)), [secure.name, 'api-auth']);
    assert.deepEqual(targetsOf(withAuth(gatewayApi, false)), [secure.name]);
  });

  it('GatewayAPI: a BackendTLSPolicy for revisions that serve HTTPS precedes the route, and does not exist without one', () => {
    const policyIn = (objects: KubeObject[]) => objects.findIndex(({ kind }) => kind === 'BackendTLSPolicy');
    const api = apiWith({
      provider: 'GatewayAPI',
      backendTLS: { ...backendTLS, hostname: 'pods.example.com', caConfigMapName: 'ca' },
    });
    const objects = gatewayApi.render(api, route, retained, {
      secured: securedBackends(api, [plain, secure]),
    });
    const index = policyIn(objects);
    assert.deepEqual(objects[index]?.spec, {
      targetRefs: [{ group: '', kind: 'Service', name: secure.name }],
      validation: {
        hostname: 'pods.example.com',
        caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }],
      },
    });
    assert.ok(index < objects.findIndex(({ kind }) => kind === 'HTTPRoute'));
    assert.equal(
      policyIn(gatewayApi.render(api, route, retained, { secured: securedBackends(api, [plain]) })),
      -1,
    );
  });

  it('GatewayAPI: no pod that serves HTTPS is started while the cluster has no BackendTLSPolicy CRD', () => {
    const cluster = (missing?: string) => ({
      ...EMPTY_CLUSTER,
      secret: (_api: PcfApi, name: string) => ({
        ...{ apiVersion: 'v1', kind: 'Secret', metadata: { name } },
        digests: { 'database-url': 'a', 'tls.crt': 'a', 'tls.key': 'a' },
      }),
      available: ({ kind }: { kind: string }) => kind !== missing,
    });
    const startable = (api: PcfApi, missing?: string) => observe(api, cluster(missing)).delivery.startable;
    const traffic = { provider: 'GatewayAPI', backendTLS };
    assert.equal(startable(apiWith(traffic)), true);
    assert.equal(startable(apiWith(traffic), 'BackendTLSPolicy'), false);
    assert.match(
      routeTrouble(observe(apiWith(traffic), cluster('BackendTLSPolicy'))) ?? '',
      /the cluster has no BackendTLSPolicy \(gateway\.networking\.k8s\.io\)/,
    );
    assert.equal(startable(apiWith({ provider: 'GatewayAPI' }), 'BackendTLSPolicy'), true);
    assert.equal(
      startable(apiWith({ backendTLS }), 'BackendTLSPolicy'),
      true,
      'Istio needs no BackendTLSPolicy',
    );
  });

  it('pods that still serve HTTPS are verified as before after backendTLS is removed from the spec', () => {
    const before = newRevision(apiWith({ backendTLS: { ...backendTLS, hostname: 'pods.example.com' } }), 2);
    const { revisions, settings } = securedBackends(apiWith(), [plain, before]);
    assert.deepEqual(revisions, [before.name]);
    assert.equal(settings.hostname, 'pods.example.com');
  });

  it('the Service also has port 443, for clients that use TLS themselves', () => {
    const portsOf = (api: PcfApi) => (service(api).spec as { ports: { port: number }[] }).ports;
    assert.deepEqual(
      portsOf(apiWith({ backendTLS })).map(({ port }) => port),
      [80, 443],
    );
    assert.deepEqual(
      portsOf(apiWith()).map(({ port }) => port),
      [80],
    );
  });

  it('the auth component serves HTTPS as the API does, and the worker, which has no TLS, has HTTP probes', () => {
    const both = { worker: { enabled: true }, auth: { enabled: true } };
    const api = apiWith({ backendTLS }, { components: both });
    const schemes = components(api, secure)
      .filter(({ kind }) => kind === 'Deployment')
      .map(({ metadata, spec }) => {
        const { template } = spec as { template: Revision['template'] };
        return [metadata.name, schemeOf(template.spec.containers[0] as Probed)];
      });
    assert.deepEqual(schemes, [
      ['api-worker', 'HTTP'],
      ['api-auth', 'HTTPS'],
    ]);
  });

  it('pods wait for its Secret, a renewed certificate creates no revision, and the Secret has no ExternalSecret', () => {
    const api = apiWith(
      { backendTLS },
      { secrets: { provider: 'ExternalSecrets', onChange: 'Rollout', store: { name: 'vault' } } },
    );
    const secrets = (cert: string | undefined) => (name: string) => {
      const digests: Record<string, string> =
        name === 'pods' ? (cert ? { 'tls.crt': cert, 'tls.key': cert } : {}) : { 'database-url': 'x' };
      return { apiVersion: 'v1', kind: 'Secret', metadata: { name }, digests };
    };
    assert.deepEqual(missingSecrets(api, secrets(undefined)), [
      { name: 'pods', key: 'tls.crt' },
      { name: 'pods', key: 'tls.key' },
    ]);
    assert.deepEqual(missingSecrets(api, secrets('a')), []);
    assert.ok(secretsHash(api, secrets('a')));
    assert.equal(secretsHash(api, secrets('a')), secretsHash(api, secrets('b')));
    assert.deepEqual(
      externalSecrets(api).map(({ metadata }) => metadata.name),
      ['pcf-api-secrets'],
    );
  });
});

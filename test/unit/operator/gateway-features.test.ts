import assert from 'node:assert/strict';
import { KubeConfig } from '@kubernetes/client-node';
import { pino } from 'pino';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { Caches } from '../../../operator/reconciler/caches.js';
import { mayChangeFeatures } from '../../../operator/reconciler/gateway-caches.js';
import { observe } from '../../../operator/reconciler/observe.js';
import { summarize } from '../../../operator/reconciler/summary.js';
import { CacheSet } from '../../../operator/runtime/cache-set.js';
import { ResourceEventType } from '../../../operator/runtime/event-types.js';
import { KubeClient } from '../../../operator/runtime/kube-client.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { parentGateways, unsupportedFeatures } from '../../../operator/traffic/gateway-features.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const CORE = ['Gateway', 'HTTPRoute'];

function apiWith(traffic: object, rest: object = {}): PcfApi {
  return pcfApi({
    traffic: { provider: 'GatewayAPI', hosts: ['api.example.com'], ...traffic },
    ...rest,
  } as never);
}

const mirroring = { strategy: { type: 'Canary', canary: { mirror: 10 } } };
const shared = { gateways: ['infra/public'] };

describe('Features of a GatewayClass', () => {
  const problem = (api: PcfApi, ...supported: string[]) =>
    unsupportedFeatures(api, [{ gateway: 'infra/public', className: 'traefik', supported }]);

  it('weights and the header need only the core of HTTPRoute', () => {
    assert.equal(problem(apiWith(shared), ...CORE), undefined);
    assert.equal(problem(apiWith(shared), 'HTTPRouteMethodMatching'), undefined, 'the core is implied');
    assert.match(
      problem(apiWith(shared), 'TLSRoute') ?? '',
      /does not support HTTPRoute \(traffic\.provider/,
    );
  });

  it('a mirror needs a percentage, which not every class with mirrors supports', () => {
    const api = apiWith(shared, mirroring);
    assert.equal(
      problem(api, ...CORE, 'HTTPRouteRequestMirror'),
      'GatewayClass traefik of Gateway infra/public does not support HTTPRouteRequestPercentageMirror (strategy.canary.mirror); remove the field, or use a Gateway of another class',
    );
    assert.equal(problem(api, ...CORE, 'HTTPRouteRequestPercentageMirror'), undefined);
  });

  it('backendTLS needs BackendTLSPolicy', () => {
    const api = apiWith({ ...shared, backendTLS: { secretName: 'pods', caConfigMapName: 'ca' } });
    assert.match(problem(api, ...CORE) ?? '', /BackendTLSPolicy \(traffic\.backendTLS\)/);
    assert.equal(problem(api, ...CORE, 'BackendTLSPolicy'), undefined);
  });

  it('a class that reports no features rejects nothing', () => {
    assert.equal(problem(apiWith(shared, mirroring)), undefined);
  });

  it('the Gateways are those of the spec, or the parents of the route of the user', () => {
    const names = (api: PcfApi, route?: object) =>
      parentGateways(api, route as KubeObject | undefined).map((each) => Object.values(each).join('/'));
    assert.deepEqual(names(apiWith({ gatewayClassName: 'envoy', gateways: ['local', 'infra/public'] })), [
      'platform/api/envoy',
      'platform/local',
      'infra/public',
    ]);
    const parentRefs = [
      { name: 'edge' },
      { kind: 'Service', name: 'api' },
      { name: 'b', namespace: 'infra' },
    ];
    const route = { metadata: { name: 'mine', namespace: 'platform' }, spec: { parentRefs } };
    const api = pcfApi({ traffic: { provider: 'GatewayAPI', routeRef: { name: 'mine' } } } as never);
    assert.deepEqual(names(api, route), ['platform/edge', 'infra/b']);
    assert.deepEqual(names(api), []);
    assert.deepEqual(names(pcfApi()), [], 'provider Istio has no GatewayClass');
  });
});

describe('A PcfApi behind a Gateway whose class lacks a feature', () => {
  const gateway = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name: 'public', namespace: 'infra', uid: 'g', resourceVersion: '1' },
    spec: { gatewayClassName: 'traefik', listeners: [] },
  };
  const traefik = (version: string, supportedFeatures: unknown[]) => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'GatewayClass',
    metadata: { name: 'traefik', uid: 'c', resourceVersion: version },
    spec: {},
    status: { supportedFeatures },
  });

  it('starts no pod, reports the reason, and continues when the class supports the feature', () => {
    const set = new CacheSet(new KubeClient(new KubeConfig()), pino({ level: 'silent' }));
    const caches = new Caches(set);
    let changes = 0;
    caches.gateways!.onChange(() => {
      changes += 1;
    });
    const state = () => {
      const observed = observe(apiWith(shared, mirroring), caches);
      const plan = { position: {}, replicas: {}, decisions: [], traffic: {} } as never;
      const { reason, message } = summarize({ ...observed, missingSecrets: [], missingKinds: [] }, plan, 0);
      return { reason, message, unsupported: observed.unsupportedFeature };
    };
    caches.gateways!.noteGateway(gateway);
    assert.equal(state().unsupported, undefined, 'its class is unknown');

    caches.gateways!.noteClass(traefik('2', [{ name: 'HTTPRoute' }]));
    const { reason, message, unsupported } = state();
    assert.equal(reason, 'GatewayFeatureUnsupported');
    assert.match(message, /HTTPRouteRequestPercentageMirror.*no pod of a new revision is started since/);
    assert.ok(unsupported);

    // As strings, before Gateway API v1.3.
    caches.gateways!.noteClass(traefik('3', ['HTTPRoute', 'HTTPRouteRequestPercentageMirror']));
    assert.equal(state().unsupported, undefined);
    assert.equal(changes, 3);
  });

  it('is reconciled when the class or Gateway changes or is deleted, and not when its other status changes', () => {
    const object = traefik('2', ['HTTPRoute']);
    const { Modified, Deleted } = ResourceEventType;
    assert.equal(mayChangeFeatures({ type: Modified, object, old: traefik('1', ['HTTPRoute']) }), false);
    assert.equal(mayChangeFeatures({ type: Modified, object, old: traefik('1', []) }), true);
    assert.equal(mayChangeFeatures({ type: Deleted, object, old: object }), true);
  });
});

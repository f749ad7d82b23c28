import assert from 'node:assert/strict';
import { pcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import { findIssues } from '../../../operator/reconciler/issues.js';
import type { Observed } from '../../../operator/reconciler/observed.js';
import { certificate } from '../../../operator/resources/certificate.js';
import { gateway } from '../../../operator/resources/gateway.js';
import { referenceGrant } from '../../../operator/resources/reference-grant.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const issuerRef = { name: 'letsencrypt' };

function apiWith(traffic: object, tls: object) {
  const spec = pcfApiSpec.partial().parse({ traffic: { hosts: ['api.example.com'], ...traffic }, tls });
  return pcfApi(spec as object);
}

describe('spec.tls', () => {
  it('creates a Certificate for issuerRef, and none for secretName', () => {
    assert.ok(certificate(apiWith({}, { issuerRef })));
    assert.equal(certificate(apiWith({}, { secretName: 'own' })), undefined);
  });

  it('the Gateway that the operator creates uses the Secret of secretName', () => {
    const api = apiWith({ provider: 'GatewayAPI', gatewayClassName: 'istio' }, { secretName: 'own' });
    const { listeners } = gateway(api)!.spec as { listeners: { protocol: string; tls: object }[] };
    assert.equal(listeners[0]?.protocol, 'HTTPS');
    assert.deepEqual(listeners[0]?.tls, { certificateRefs: [{ name: 'own' }] });
  });

  it('GatewayAPI: creates a ReferenceGrant for Gateways in other namespaces, and none without such Gateways', () => {
    const grantOf = (traffic: object, tls: object | undefined = { issuerRef }) =>
      referenceGrant(apiWith({ provider: 'GatewayAPI', ...traffic }, tls));
    const gateways = ['infra/public', 'local', 'platform/own', 'edge/a', 'edge/b'];
    const grant = grantOf({ gateways }, { secretName: 'own' });
    const gateway = { group: 'gateway.networking.k8s.io', kind: 'Gateway' };
    assert.equal(grant?.metadata.namespace, 'platform');
    assert.deepEqual(grant?.spec, {
      from: [
        { ...gateway, namespace: 'edge' },
        { ...gateway, namespace: 'infra' },
      ],
      to: [{ group: '', kind: 'Secret', name: 'own' }],
    });
    assert.equal(grantOf({ gateways: ['local', 'platform/own'] }), undefined);
    assert.equal(grantOf({ gateways: [], gatewayClassName: 'public' }), undefined);
    assert.equal(grantOf({ gateways, provider: 'Istio' }), undefined);
    assert.equal(
      referenceGrant(pcfApi({ traffic: { provider: 'GatewayAPI', gateways } } as never)),
      undefined,
    );
  });

  for (const [gateways, expected] of [
    [['istio-system/public'], true],
    [['public', 'istio-system/public'], true],
    [['public', 'mesh'], false],
    [['shop/public'], false],
  ] as const)
    it(`Istio gateways ${gateways.join(', ')}: the certificate ${expected ? 'is' : 'is not'} reported as unreachable`, () => {
      const api = apiWith({ provider: 'Istio', gateways }, { issuerRef });
      api.metadata.namespace = 'shop';
      const observed = {
        api,
        delivery: { revisions: [], position: {} },
        migrations: new Map(),
        revisions: new Map(),
        missingKinds: [],
        foreignAutoscalers: [],
        componentTroubles: [],
        hostConflicts: [],
        uncreated: new Map(),
      } as unknown as Observed;
      const found = findIssues(observed, [], { position: {}, replicas: {} } as never);
      assert.deepEqual(
        found.map(({ reason }) => reason),
        expected ? ['CertificateUnreachable'] : [],
      );
      if (expected)
        assert.match(
          found[0]!.message,
          /public reads its certificate from namespace istio-system, .*in shop:/,
        );
    });
});

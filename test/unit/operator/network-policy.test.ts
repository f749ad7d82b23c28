import assert from 'node:assert/strict';
import { type PcfApiSpec, pcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import { networkPolicy } from '../../../operator/resources/network-policy.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

/** TCP ports of egress to any address, except DNS. */
function openPorts(spec: object): number[] {
  const parsed = pcfApiSpec.partial().parse({ traffic: {}, ...spec }) as Partial<PcfApiSpec>;
  const policy = networkPolicy(pcfApi(parsed))?.spec as { egress: { ports: { port: number }[] }[] };
  return policy.egress[1]!.ports.map(({ port }) => port);
}

const secretRef = { name: 'pcf-api-secrets' };

describe('NetworkPolicy egress', () => {
  for (const [target, [spec, ports]] of Object.entries<[object, number[]]>({
    'the database and HTTPS': [{}, [5432, 443]],
    Redis: [{ redis: { secretRef } }, [5432, 6379, 443]],
    'Redis and its Sentinels': [{ redis: { secretRef, mode: 'Sentinel' } }, [5432, 6379, 26379, 443]],
    'the tracing collector': [
      { monitoring: { tracing: { endpoint: 'http://collector:4318/v1/traces' } } },
      [5432, 443, 4318],
    ],
    'a tracing collector at the default port of its scheme': [
      { monitoring: { tracing: { endpoint: 'http://collector/v1/traces' } } },
      [5432, 443, 80],
    ],
    'the API server, for a backup Job': [
      { migrations: { beforeContract: { job: { image: 'kubectl' } } } },
      [5432, 443, 6443],
    ],
  }))
    it(`allows ${target}`, () => assert.deepEqual(openPorts(spec), ports));
});

describe('NetworkPolicy in an Istio mesh', () => {
  it('allows HBONE from clients, metrics of the sidecar to monitoring, and egress to istiod', () => {
    const traffic = { provider: 'Istio', hosts: ['api.example.com'] };
    assert.deepEqual(openPorts({ traffic }), [5432, 443, 15012, 15008]);
    const parsed = pcfApiSpec.partial().parse({ traffic }) as Partial<PcfApiSpec>;
    const { ingress } = networkPolicy(pcfApi(parsed))!.spec as { ingress: { ports: { port: number }[] }[] };
    assert.deepEqual(
      ingress.map(({ ports }) => ports.map(({ port }) => port)),
      [
        [8080, 15008],
        [9090, 15020, 15090],
      ],
    );
  });
});

describe('NetworkPolicy with spec.network', () => {
  const to = [{ cidr: '10.0.20.0/28' }];
  const ipBlock = { cidr: '10.0.20.0/28' };
  const policyOf = (spec: object) =>
    networkPolicy(pcfApi(pcfApiSpec.partial().parse({ traffic: {}, ...spec }) as Partial<PcfApiSpec>))!
      .spec as { ingress: object[]; egress: object[] };

  it('allows egress to the port of the database at its address only', () => {
    const { egress } = policyOf({ network: { database: { to } } });
    assert.deepEqual(egress.slice(1), [
      { ports: [{ protocol: 'TCP', port: 443 }] },
      { to: [{ ipBlock }], ports: [{ protocol: 'TCP', port: 5432 }] },
    ]);
  });

  it('allows egress to the database port of the spec instead of the default port', () => {
    const { egress } = policyOf({ network: { database: { ports: [6432] } } });
    assert.deepEqual(egress.slice(1), [
      { ports: [{ protocol: 'TCP', port: 443 }] },
      { ports: [{ protocol: 'TCP', port: 6432 }] },
    ]);
  });

  it('allows egress to the ports of Redis and its Sentinels at their addresses only', () => {
    const network = { redis: { to, ports: [6379, 26379] } };
    const { egress } = policyOf({ redis: { secretRef, mode: 'Sentinel' }, network });
    assert.deepEqual(egress.slice(1), [
      { ports: [5432, 443].map((port) => ({ protocol: 'TCP', port })) },
      { to: [{ ipBlock }], ports: [6379, 26379].map((port) => ({ protocol: 'TCP', port })) },
    ]);
  });

  it('allows scraping from a CIDR in addition to the monitoring namespace', () => {
    const { ingress } = policyOf({ network: { metricsFrom: [{ cidr: '10.0.1.0/24' }] } });
    const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } };
    assert.deepEqual(ingress[1], {
      from: [{ namespaceSelector }, { ipBlock: { cidr: '10.0.1.0/24' } }],
      ports: [{ protocol: 'TCP', port: 9090 }],
    });
  });
});

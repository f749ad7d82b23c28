import assert from 'node:assert/strict';
import { type PcfApiSpec, pcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import { networkPolicy } from '../../../operator/resources/network-policy.js';
import { pcfApi } from '../../support/fixtures.js';

/** TCP ports that the pods may reach anywhere, DNS aside. */
function open(spec: object): number[] {
  const asked = pcfApiSpec.partial().parse({ traffic: {}, ...spec }) as Partial<PcfApiSpec>;
  const policy = networkPolicy(pcfApi(asked))?.spec as { egress: { ports: { port: number }[] }[] };
  return policy.egress[1]!.ports.map(({ port }) => port);
}

const secretRef = { name: 'pcf-api-secrets' };

describe('the network policy lets the pods reach', () => {
  for (const [what, [spec, ports]] of Object.entries<[object, number[]]>({
    'the database, and HTTPS': [{}, [5432, 443]],
    'a Redis': [{ redis: { secretRef } }, [5432, 6379, 443]],
    'a Redis and its Sentinels': [{ redis: { secretRef, mode: 'Sentinel' } }, [5432, 6379, 26379, 443]],
    'the collector of spans': [
      { monitoring: { tracing: { endpoint: 'http://collector:4318/v1/traces' } } },
      [5432, 443, 4318],
    ],
    'a collector at a port of its scheme': [
      { monitoring: { tracing: { endpoint: 'http://collector/v1/traces' } } },
      [5432, 443, 80],
    ],
    'the API server, for a backup': [
      { migrations: { beforeContract: { job: { image: 'kubectl' } } } },
      [5432, 443, 6443],
    ],
  }))
    it(what, () => assert.deepEqual(open(spec), ports));
});

describe('the network policy of a PcfApi in an Istio mesh', () => {
  it('opens HBONE to callers and the metrics of the sidecar to monitoring, and istiod outwards', () => {
    const traffic = { provider: 'Istio', hosts: ['api.example.com'] };
    assert.deepEqual(open({ traffic }), [5432, 443, 15012, 15008]);
    const asked = pcfApiSpec.partial().parse({ traffic }) as Partial<PcfApiSpec>;
    const { ingress } = networkPolicy(pcfApi(asked))!.spec as { ingress: { ports: { port: number }[] }[] };
    assert.deepEqual(
      ingress.map(({ ports }) => ports.map(({ port }) => port)),
      [
        [8080, 15008],
        [9090, 15020, 15090],
      ],
    );
  });
});

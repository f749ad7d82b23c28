import assert from 'node:assert/strict';
import {
  CertificateKind,
  ExternalSecretKind,
  ServiceMonitorKind,
  VirtualServiceKind,
} from '../../../operator/resources/kinds.js';
import type { ResourceType } from '../../../operator/runtime/kube-client.js';
import { customResourceDefinitions, type Project } from '../../../sandbox/crds.js';
import type { PcfApiWatch } from '../../../sandbox/story/pcfapi-watch.js';
import { AuditedCluster } from '../../support/cluster/audited-cluster.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/cluster/sandbox.js';

const CREATION_LIMIT_MS = 5_000;

describe('the operator on a cluster without third-party CRDs', () => {
  const namespace = 'bare';
  let cluster: AuditedCluster;
  let watch: PcfApiWatch;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    cluster = await AuditedCluster.start('.sandbox/test-bare', []);
    await cluster.operator('operator', { args: ['--resync', '0'] });
    await cluster.namespace(namespace);
  });
  after(() => cluster?.stop());

  const condition = (type: string) =>
    watch.now()?.status?.conditions?.find((candidate) => candidate.type === type);

  /** Installs the CRDs of a project. Returns the milliseconds until an object of the kind exists. */
  async function install(project: Project, type: ResourceType): Promise<number> {
    const { kubectl } = cluster.sandbox.parts;
    const used = /virtualservices|destinationrules|servicemonitors|certificates|externalsecrets/;
    const crds = (await customResourceDefinitions(project)).filter(({ metadata }) =>
      used.test(metadata.name),
    );
    await kubectl.apply(crds.map((crd) => JSON.stringify(crd)).join('\n---\n'), '--server-side');
    await cluster.sandbox.established();
    const from = performance.now();
    await eventually(`a ${type.kind} exists`, async () => {
      const { items } = await cluster.client.list(type, { namespace }).catch(() => ({ items: [] }));
      return items.length > 0;
    });
    return performance.now() - from;
  }

  it('reports every missing CRD that the spec requires, and the project that provides it', async () => {
    // An Istio gateway reads certificates only from its own namespace.
    const gateways = [`${namespace}/public`];
    watch = await cluster.create(namespace, {
      traffic: { provider: 'Istio', hosts: [`${namespace}.example.com`], gateways },
      tls: { issuerRef: { name: 'letsencrypt' } },
      secrets: { provider: 'ExternalSecrets', store: { name: 'vault' } },
      monitoring: { serviceMonitor: true },
    });
    await watch.until(
      'the missing traffic provider is reported',
      (api) => api?.status?.reason === 'TrafficProviderMissing',
    );
    assert.equal(condition('Ready')?.status, 'False');
    assert.match(condition('Ready')?.message ?? '', /the cluster has no .*VirtualService/);
    await watch.until(
      'the other missing CRDs are reported',
      () => condition('Degraded')?.reason === 'CRDMissing',
    );
    for (const pattern of [
      /ServiceMonitor \(monitoring\.coreos\.com\): install the Prometheus operator/,
      /Certificate \(cert-manager\.io\): install cert-manager/,
      /ExternalSecret \(external-secrets\.io\): install External Secrets/,
    ])
      assert.match(condition('Degraded')?.message ?? '', pattern);
  });

  it('creates objects of each kind within 5 s after its CRD is installed, and is Ready once the route exists', async () => {
    for (const [project, type] of [
      ['istio', VirtualServiceKind],
      ['prometheusOperator', ServiceMonitorKind],
      ['certManager', CertificateKind],
      ['externalSecrets', ExternalSecretKind],
    ] as const) {
      const tookMs = await install(project, type);
      assert.ok(tookMs < CREATION_LIMIT_MS, `${type.kind}: ${Math.round(tookMs)} ms`);
      if (project !== 'istio') continue;
      await cluster.ready(watch);
      assert.equal(condition('Degraded')?.reason, 'CRDMissing', 'the other CRDs are still missing');
    }
    await watch.until('no CRD is missing', () => condition('Degraded')?.reason === 'AsExpected', 10_000);
    await cluster.ready(watch);
  });
});

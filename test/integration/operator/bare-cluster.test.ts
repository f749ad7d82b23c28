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
import { AuditedCluster } from '../../support/audited-cluster.js';
import { eventually } from '../../support/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/sandbox.js';

const PICKED_UP_MS = 5_000;

describe('on a cluster with nothing but Kubernetes, the operator', function () {
  this.timeout(90_000);
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

  /** Resolves, with the milliseconds it took from then on, once the project's objects are made. */
  async function install(project: Project, made: ResourceType): Promise<number> {
    const { kubectl } = cluster.sandbox.parts;
    const used = /virtualservices|destinationrules|servicemonitors|certificates|externalsecrets/;
    const crds = (await customResourceDefinitions(project)).filter(({ metadata }) =>
      used.test(metadata.name),
    );
    await kubectl.apply(crds.map((crd) => JSON.stringify(crd)).join('\n---\n'), '--server-side');
    await cluster.sandbox.established();
    const from = performance.now();
    await eventually(`there is a ${made.kind}`, async () => {
      const { items } = await cluster.client.list(made, { namespace }).catch(() => ({ items: [] }));
      return items.length > 0;
    });
    return performance.now() - from;
  }

  it('names every kind that is asked for and missing, and what would bring it', async () => {
    const gateways = [`${namespace}/public`]; // a gateway of Istio reads certificates of its own namespace only
    watch = await cluster.create(namespace, {
      traffic: { provider: 'Istio', hosts: [`${namespace}.example.com`], gateways },
      tls: { issuerRef: { name: 'letsencrypt' } },
      secrets: { provider: 'ExternalSecrets', store: { name: 'vault' } },
      monitoring: { serviceMonitor: true },
    });
    await watch.until('told', (api) => api?.status?.reason === 'TrafficProviderMissing', 30_000);
    assert.equal(condition('Ready')?.status, 'False');
    assert.match(condition('Ready')?.message ?? '', /the cluster has no .*VirtualService/);
    await watch.until('the rest', () => condition('Degraded')?.reason === 'CRDMissing', 30_000);
    for (const told of [
      /ServiceMonitor \(monitoring\.coreos\.com\): install the Prometheus operator/,
      /Certificate \(cert-manager\.io\): install cert-manager/,
      /ExternalSecret \(external-secrets\.io\): install External Secrets/,
    ])
      assert.match(condition('Degraded')?.message ?? '', told);
  });

  it('picks each up within seconds once it is installed, and serves as soon as there is a route', async () => {
    for (const [project, made] of [
      ['istio', VirtualServiceKind],
      ['prometheusOperator', ServiceMonitorKind],
      ['certManager', CertificateKind],
      ['externalSecrets', ExternalSecretKind],
    ] as const) {
      const tookMs = await install(project, made);
      assert.ok(tookMs < PICKED_UP_MS, `${made.kind}: ${Math.round(tookMs)} ms`);
      if (project !== 'istio') continue;
      await cluster.ready(watch);
      assert.equal(condition('Degraded')?.reason, 'CRDMissing', 'the others are still missing');
    }
    await watch.until('all is well', () => condition('Degraded')?.reason === 'AsExpected', 10_000);
    await cluster.ready(watch);
  });
});

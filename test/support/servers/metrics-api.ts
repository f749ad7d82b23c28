/** Metrics APIs for the sandbox's control plane: metrics.k8s.io and external.metrics.k8s.io, served by the test. */
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { generate } from 'selfsigned';
import type { Pod } from '../../../operator/reconciler/pod-state.js';
import { PodKind } from '../../../operator/resources/kinds.js';
import { ResourceCache } from '../../../operator/runtime/resource-cache.js';
import { within } from '../../../sandbox/process/within.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';

const GROUPS = ['metrics.k8s.io', 'external.metrics.k8s.io'];
const PATH = /^\/apis\/([^/]+)\/v1beta1\/namespaces\/([^/]+)\/([^/]+)$/;
const API_PODS = { 'app.kubernetes.io/component': 'api' };

/** Usage of one pod. Undefined without metrics. `pods` are the ready API pods of its namespace, which has one PcfApi. */
export type Usage = (pod: Pod, pods: readonly Pod[]) => { cpu: string; memory: string } | undefined;

export class MetricsApi {
  /** Current usage of the pods. */
  usage: Usage = () => ({ cpu: '0', memory: '0' });
  /** Current value of every external metric of a namespace. */
  external: (namespace: string) => string = () => '0';
  private readonly pods: ResourceCache;
  private readonly stopping = new AbortController();

  private constructor(
    private readonly sandbox: Sandbox,
    private readonly server: Server,
  ) {
    this.pods = new ResourceCache(PodKind, sandbox.parts.client, pino({ level: 'silent' }));
  }

  static async start(sandbox: Sandbox): Promise<MetricsApi> {
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], {
      keySize: 2048,
      algorithm: 'sha256',
    });
    const server = createServer({ cert, key });
    const api = new MetricsApi(sandbox, server);
    void api.pods.run(api.stopping.signal);
    await within('the metrics API lists the pods', api.pods.synced);
    server.on('request', (request, response) => {
      const body = api.answer(new URL(request.url ?? '/', 'https://localhost'));
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await sandbox.parts.kubectl.apply(registration((server.address() as AddressInfo).port));
    return api;
  }

  async stop(): Promise<void> {
    const { kubectl } = this.sandbox.parts;
    await kubectl.run(['delete', 'apiservice', ...GROUPS.map((group) => `v1beta1.${group}`)]);
    await kubectl.run(['delete', 'service', 'metrics', '-n', 'default']);
    this.stopping.abort();
    this.server.closeAllConnections();
    this.server.close();
  }

  private answer({ pathname, searchParams }: URL): object {
    const [, group, namespace, name] = PATH.exec(pathname) ?? [];
    if (!namespace || !name) return resourceList(pathname.split('/')[2] ?? '');
    if (group !== 'metrics.k8s.io') return externalMetric(name, this.external(namespace));
    const selector = labelsOf(searchParams.get('labelSelector') ?? '');
    const all = (this.pods.list() as Pod[]).filter(
      (pod) => pod.metadata.namespace === namespace && isReady(pod),
    );
    const apiPods = all.filter((pod) => matches(pod, API_PODS));
    const items = all
      .filter((pod) => matches(pod, selector))
      .flatMap((pod) => {
        const usage = this.usage(pod, apiPods);
        const { name: podName } = pod.metadata;
        const at = { timestamp: new Date().toISOString(), window: '1s' };
        const metadata = { name: podName, namespace };
        return usage ? [{ metadata, ...at, containers: [{ name: 'api', usage }] }] : [];
      });
    return { apiVersion: `${group}/v1beta1`, kind: 'PodMetricsList', metadata: {}, items };
  }
}

function externalMetric(metricName: string, value: string) {
  return {
    ...{ apiVersion: 'external.metrics.k8s.io/v1beta1', kind: 'ExternalMetricValueList', metadata: {} },
    items: [{ metricName, metricLabels: {}, timestamp: new Date().toISOString(), value }],
  };
}

/** Discovery document of an aggregated API server. */
function resourceList(group: string) {
  const pods = {
    name: 'pods',
    singularName: '',
    namespaced: true,
    kind: 'PodMetrics',
    verbs: ['get', 'list'],
  };
  return {
    ...{ apiVersion: 'v1', kind: 'APIResourceList', groupVersion: `${group}/v1beta1` },
    resources: group === 'metrics.k8s.io' ? [pods] : [],
  };
}

function isReady({ metadata, status }: Pod): boolean {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
  return ready && !metadata.deletionTimestamp;
}

/** Parses `key=value,...`, the only form of selector that autoscalers of a PcfApi use. */
function labelsOf(selector: string): Record<string, string> {
  return Object.fromEntries(
    selector
      .split(',')
      .filter(Boolean)
      .map((term) => term.split('=')),
  );
}

function matches({ metadata: { labels = {} } }: Pod, wanted: Record<string, string>): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}

/** The API server resolves the ExternalName itself, because there is no pod network. */
function registration(port: number) {
  return [
    {
      ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'metrics', namespace: 'default' } },
      spec: { type: 'ExternalName', externalName: 'localhost', ports: [{ port }] },
    },
    ...GROUPS.map((group) => ({
      ...{ apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService' },
      metadata: { name: `v1beta1.${group}` },
      spec: {
        ...{ group, version: 'v1beta1', groupPriorityMinimum: 100, versionPriority: 100 },
        ...{ insecureSkipTLSVerify: true, service: { name: 'metrics', namespace: 'default', port } },
      },
    })),
  ];
}

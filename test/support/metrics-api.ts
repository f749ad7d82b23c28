/** A metrics API for the sandbox's control plane: metrics.k8s.io, answered by a server of the test's own. */
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { generate } from 'selfsigned';
import type { Pod } from '../../operator/reconciler/pods.js';
import { PodKind } from '../../operator/resources/kinds.js';
import type { Sandbox } from '../../sandbox/sandbox.js';

const GROUP_VERSION = 'metrics.k8s.io/v1beta1';
const PODS_PATH = /^\/apis\/metrics\.k8s\.io\/v1beta1\/namespaces\/([^/]+)\/pods$/;

/** Of one pod, given how many ready pods there are in its namespace. */
export type Usage = (readyPods: number) => { cpu: string; memory: string };

export class MetricsApi {
  /** What the pods use now. */
  usage: Usage = () => ({ cpu: '0', memory: '0' });

  private constructor(
    private readonly sandbox: Sandbox,
    private readonly server: Server,
  ) {}

  static async start(sandbox: Sandbox): Promise<MetricsApi> {
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], {
      keySize: 2048,
      algorithm: 'sha256',
    });
    const server = createServer({ cert, key });
    const api = new MetricsApi(sandbox, server);
    server.on('request', async (request, response) => {
      const body = await api.answer(new URL(request.url ?? '/', 'https://localhost'));
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await sandbox.parts.kubectl.apply(registration((server.address() as AddressInfo).port));
    return api;
  }

  async stop(): Promise<void> {
    const { kubectl } = this.sandbox.parts;
    await kubectl.run(['delete', 'apiservice', 'v1beta1.metrics.k8s.io']);
    await kubectl.run(['delete', 'service', 'metrics', '-n', 'default']);
    this.server.closeAllConnections();
    this.server.close();
  }

  private async answer({ pathname, searchParams }: URL): Promise<object> {
    const namespace = PODS_PATH.exec(pathname)?.[1];
    if (!namespace) return RESOURCES;
    const { client } = this.sandbox.parts;
    const labelSelector = searchParams.get('labelSelector') ?? '';
    const [all, selected] = (await Promise.all([
      client.list(PodKind, { namespace, labelSelector: 'app.kubernetes.io/component=api' }),
      client.list(PodKind, { namespace, labelSelector }),
    ])) as unknown as { items: Pod[] }[];
    const usage = this.usage(all!.items.filter(isReady).length);
    const items = selected!.items.filter(isReady).map(({ metadata: { name } }) => ({
      metadata: { name, namespace },
      timestamp: new Date().toISOString(),
      window: '1s',
      containers: [{ name: 'api', usage }],
    }));
    return { apiVersion: GROUP_VERSION, kind: 'PodMetricsList', metadata: {}, items };
  }
}

const RESOURCES = {
  apiVersion: 'v1',
  kind: 'APIResourceList',
  groupVersion: GROUP_VERSION,
  resources: [
    { name: 'pods', singularName: '', namespaced: true, kind: 'PodMetrics', verbs: ['get', 'list'] },
  ],
};

function isReady({ metadata, status }: Pod): boolean {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
  return ready && !metadata.deletionTimestamp;
}

/** The API server finds the address of an ExternalName itself: there is no network of pods here. */
function registration(port: number) {
  return [
    {
      ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'metrics', namespace: 'default' } },
      spec: { type: 'ExternalName', externalName: 'localhost', ports: [{ port }] },
    },
    {
      ...{ apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService' },
      metadata: { name: 'v1beta1.metrics.k8s.io' },
      spec: {
        ...{ group: 'metrics.k8s.io', version: 'v1beta1', groupPriorityMinimum: 100, versionPriority: 100 },
        ...{ insecureSkipTLSVerify: true, service: { name: 'metrics', namespace: 'default', port } },
      },
    },
  ];
}

/** Helpers for tests with one PcfApi. */
import { pino } from 'pino';
import type { KubeClient, KubeObject, ResourceType } from '../../../operator/runtime/kube-client.js';
import { isNotFound } from '../../../operator/runtime/kube-client.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { PcfApiKind, type PcfApiView, PcfApiWatch } from '../../../sandbox/story/pcfapi-watch.js';
import { endedProcesses } from '../runner/ended-processes.js';

export const image = (tag: string) => `registry.example.com/pcf-api:${tag}`;

/** The sandbox, or another cluster. */
export interface TestCluster {
  parts: { client: KubeClient };
}

const created = new Set<TestApi<TestCluster>>();

/** Deletes the PcfApis that the tests have not removed: their pods would take CPU time until the end of the run. */
export async function deleteCreatedApis(): Promise<void> {
  const left = [...created];
  created.clear();
  await Promise.all(
    left.map(async ({ sandbox, namespace, name, watch }) => {
      await watch.stop();
      await sandbox.parts.client.delete(PcfApiKind, namespace, name);
    }),
  );
}

export class TestApi<C extends TestCluster = Sandbox> {
  readonly watch: PcfApiWatch;

  private constructor(
    readonly sandbox: C,
    readonly namespace: string,
    readonly name: string,
  ) {
    this.watch = new PcfApiWatch(sandbox.parts.client, pino({ level: 'silent' }), namespace, name);
  }

  /** Creates a PcfApi. `spec` overrides fields of a small spec with Istio. */
  static async create<C extends TestCluster = Sandbox>(
    sandbox: C,
    namespace: string,
    spec: object = {},
    name = 'api',
  ): Promise<TestApi<C>> {
    const api = new TestApi(sandbox, namespace, name);
    created.add(api);
    await api.watch.start();
    await sandbox.parts.client.create(PcfApiKind, {
      apiVersion: 'pcf.dev/v1alpha1',
      kind: 'PcfApi',
      metadata: { name, namespace },
      spec: {
        image: image('1.0.0'),
        environment: 'development',
        replicas: 1,
        database: { secretRef: { name: 'pcf-api-secrets' } },
        traffic: {
          provider: 'Istio',
          hosts: [`${namespace}.example.com`],
          gateways: ['istio-system/public'],
        },
        ...spec,
      },
    });
    return api;
  }

  get status(): NonNullable<PcfApiView['status']> {
    return this.watch.now()?.status ?? {};
  }

  /** The message of the Ready condition, or of another condition. */
  message(type = 'Ready'): string {
    return this.status.conditions?.find((condition) => condition.type === type)?.message ?? '';
  }

  async patch(spec: object): Promise<void> {
    const { client } = this.sandbox.parts;
    await client.patch(PcfApiKind, this.namespace, this.name, { spec }, { fieldManager: 'test' });
  }

  ready(timeoutMs?: number): Promise<void> {
    return this.watch.until(`${this.namespace} Ready`, (api) => api?.status?.phase === 'Ready', timeoutMs);
  }

  /** Waits for a reason in the status. */
  reason(reason: string, timeoutMs?: number): Promise<void> {
    return this.watch.until(
      `${this.namespace} ${reason}`,
      (api) => api?.status?.reason === reason,
      timeoutMs,
    );
  }

  /** Objects of a kind that belong to the PcfApi. */
  async owned(type: ResourceType): Promise<KubeObject[]> {
    const labelSelector = `app.kubernetes.io/instance=${this.name}`;
    return (await this.sandbox.parts.client.list(type, { namespace: this.namespace, labelSelector })).items;
  }

  get(type: ResourceType, name = this.name): Promise<KubeObject | undefined> {
    return this.sandbox.parts.client.get(type, this.namespace, name).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
  }

  /** Spec of an object, which must exist. */
  async specOf<T>(type: ResourceType, name = this.name): Promise<T> {
    return (await this.sandbox.parts.client.get(type, this.namespace, name)).spec as T;
  }

  async remove(): Promise<void> {
    const { client } = this.sandbox.parts;
    created.delete(this);
    const deleted = this.watch.until(`${this.namespace} deleted`, (api) => api === undefined);
    await client.delete(PcfApiKind, this.namespace, this.name);
    await deleted;
    await this.watch.stop();
  }
}

/** Polls until the check returns true. Throws an error with `what` after the timeout. */
export async function eventually(
  what: string,
  check: () => Promise<boolean> | boolean,
  timeoutMs = 180_000,
  everyMs = 50,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await check())) {
    if (performance.now() > deadline)
      throw new Error(`${what}: not within ${timeoutMs / 1000} s${endedProcesses()}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

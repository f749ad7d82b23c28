/** A cache under test, on a fake API server. */
import { pino } from 'pino';
import { KubeClient, type KubeObject, type ResourceType } from '../../../operator/runtime/kube-client.js';
import {
  type CacheEvent,
  type CacheOptions,
  ResourceCache,
} from '../../../operator/runtime/resource-cache.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { FakeApiServer } from '../../support/servers/fake-api-server.js';

const kind: ResourceType = {
  group: 'test',
  version: 'v1',
  kind: 'Thing',
  plural: 'things',
  namespaced: true,
};

export const timing = {
  silenceMs: 250,
  initialSilenceMs: 250,
  absentPollMs: 30,
  backoff: { baseMs: 60, maxMs: 400, jitter: 0.2 },
};

export const thing = (name: string, value = 0): KubeObject => ({
  apiVersion: 'test/v1',
  kind: 'Thing',
  metadata: { namespace: 'ns', name },
  value,
});

/** An object as the API server returns it. */
export const named = (name: string, version: number, uid = name): KubeObject => ({
  ...thing(name, version),
  metadata: { namespace: 'ns', name, uid, resourceVersion: String(version) },
});

/** `eventually` with short pauses: events arrive within milliseconds. */
export function until(what: string, check: () => boolean, timeoutMs?: number): Promise<void> {
  return eventually(what, check, timeoutMs, 5);
}

export class CacheUnderTest {
  readonly cache: ResourceCache;
  /** Events that the handlers of the cache received. */
  readonly events: CacheEvent[] = [];
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;

  private constructor(
    readonly server: FakeApiServer,
    private readonly client: KubeClient,
    options: CacheOptions,
    ownTiming: Partial<typeof timing>,
  ) {
    const all = { ...timing, ...ownTiming };
    this.cache = new ResourceCache(kind, client, pino({ level: 'silent' }), options, all);
    this.cache.on((event) => this.events.push(event));
  }

  /** Creates a cache for a server with the objects `a` and `b`. */
  static async create(
    options: CacheOptions = {},
    watchList = false,
    ownTiming: Partial<typeof timing> = {},
  ): Promise<CacheUnderTest> {
    const server = new FakeApiServer(kind);
    server.watchList = watchList;
    const client = new KubeClient(await server.listen());
    server.put(thing('a'));
    server.put(thing('b'));
    return new CacheUnderTest(server, client, options, ownTiming);
  }

  /** Runs the cache until it has its first list, and an open watch if the kind is installed. */
  async start(): Promise<void> {
    this.running = this.cache.run(this.stopping.signal);
    await this.cache.synced;
    if (this.cache.available) await until('the watch is open', () => this.server.openWatches > 0);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
    await this.client.close();
    await this.server.close();
  }

  names(): string[] {
    return this.cache
      .list()
      .map(({ metadata }) => metadata.name)
      .sort();
  }

  value(name: string): unknown {
    return this.cache.get('ns', name)?.value;
  }

  /** Names of the objects under a value of an index. */
  under(index: string, value: string): string[] {
    return this.cache.byIndex(index, value).map(({ metadata }) => metadata.name);
  }

  /** Received events, one line per event. */
  eventLines(): string[] {
    return this.events.map(({ type, object }) => `${type} ${object.metadata.name}`);
  }

  /** Number of watch requests. */
  watches(): number {
    return this.server.count('watch');
  }
}

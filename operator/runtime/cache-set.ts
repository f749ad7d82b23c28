/** All the caches of a process: started, waited for and stopped together. */
import type { Logger } from 'pino';
import type { KubeClient, ResourceType } from './kube-client.js';
import { type CacheOptions, type CacheTiming, defaultTiming, ResourceCache } from './resource-cache.js';

export class CacheSet {
  private readonly caches: ResourceCache[] = [];
  private running: Promise<void>[] = [];

  constructor(
    private readonly client: KubeClient,
    private readonly logger: Logger,
    private readonly timing: CacheTiming = defaultTiming,
  ) {}

  /** Declares a cache. Call before {@link start}. */
  resource(type: ResourceType, options: CacheOptions = {}): ResourceCache {
    const cache = new ResourceCache(type, this.client, this.logger, options, this.timing);
    this.caches.push(cache);
    return cache;
  }

  /** Starts every cache; they run until the signal. */
  start(signal: AbortSignal): void {
    this.running = this.caches.map((cache) => cache.run(signal));
  }

  /** Resolves once every cache had its first list. */
  async synced(): Promise<void> {
    await Promise.all(this.caches.map((cache) => cache.synced));
  }

  /** Resolves once every cache has stopped. */
  async stopped(): Promise<void> {
    await Promise.all(this.running);
  }

  /** Kinds whose watch has been silent for longer than a healthy one ever is. */
  silent(): string[] {
    return this.caches
      .filter((cache) => cache.silentForMs() > 2 * this.timing.silenceMs)
      .map(({ type }) => type.kind);
  }
}

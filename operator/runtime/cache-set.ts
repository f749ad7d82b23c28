/** All caches of a process, which start and stop together. */
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

  /** Declares a cache. Call it before {@link start}. */
  resource(type: ResourceType, options: CacheOptions = {}): ResourceCache {
    const cache = new ResourceCache(type, this.client, this.logger, options, this.timing);
    this.caches.push(cache);
    return cache;
  }

  /** Starts all caches. They run until the signal fires. */
  start(signal: AbortSignal): void {
    this.running = this.caches.map((cache) => cache.run(signal));
  }

  /** Resolves when every cache has received its first list. */
  async synced(): Promise<void> {
    await Promise.all(this.caches.map((cache) => cache.synced));
  }

  /** Resolves when every cache has stopped. */
  async stopped(): Promise<void> {
    await Promise.all(this.running);
  }

  /** Kinds whose watch has been silent for longer than a healthy watch. */
  silent(): string[] {
    return this.caches
      .filter((cache) => cache.silentForMs() > 2 * this.timing.silenceMs)
      .map(({ type }) => type.kind);
  }
}

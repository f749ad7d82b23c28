import { Gauge, type Registry } from 'prom-client';
import type { EventFeed } from './event-feed.js';

export function addSubscriberGauge(registry: Registry, feed: EventFeed): void {
  new Gauge({
    name: 'pcf_api_subscribers',
    help: 'Number of open subscriptions.',
    registers: [registry],
    collect() {
      this.set(feed.subscribers);
    },
  });
}

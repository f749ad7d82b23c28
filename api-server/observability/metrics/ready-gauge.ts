import { Gauge, type Registry } from 'prom-client';

/** 1 while `isReady`. The minimum of several processes is reported. */
export function addReadyGauge(registry: Registry, what: string, isReady: () => boolean): void {
  new Gauge({
    name: `pcf_api_${what}_ready`,
    help: `Whether ${what} is ready: 1 or 0.`,
    registers: [registry],
    aggregator: 'min',
    collect() {
      this.set(isReady() ? 1 : 0);
    },
  });
}

import { Gauge, type Registry } from 'prom-client';

/** 1 while `isReady`; of several processes, the worst counts. */
export function addReadyGauge(registry: Registry, what: string, isReady: () => boolean): void {
  new Gauge({
    name: `pcf_api_${what}_ready`,
    help: `1 while ${what} can be used.`,
    registers: [registry],
    aggregator: 'min',
    collect() {
      this.set(isReady() ? 1 : 0);
    },
  });
}

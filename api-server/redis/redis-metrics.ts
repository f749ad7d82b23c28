import { Gauge, type Registry } from 'prom-client';
import { addReadyGauge } from '../observability/metrics/ready-gauge.js';
import { isCircuitOpen } from './circuit.js';
import { type RedisClient, redisState } from './redis.js';

/** Gauges that are read at scrape time. */
export function addRedisGauges(registry: Registry, redis: RedisClient | undefined): void {
  addReadyGauge(registry, 'redis', () => redisState(redis) === 'ready');
  new Gauge({
    name: 'pcf_api_redis_circuit_open',
    help: 'Whether the circuit breaker of Redis is open after command timeouts: 1 or 0.',
    registers: [registry],
    aggregator: 'max',
    collect() {
      this.set(isCircuitOpen(redis) ? 1 : 0);
    },
  });
}

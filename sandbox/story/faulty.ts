/**
 * Versions 1.3.0 and 1.4.0 of the scenario "delivery": migrations and probes succeed, requests fail.
 * `errors`: every fourth list of services returns a GraphQL error with HTTP status 200. `slow`: every fourth
 * list takes 1.5 s. Neither probes nor HTTP status codes detect it.
 */
import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';

const EVERY = 4;
const SLOW_MS = 1_500;

type List = (...args: unknown[]) => Promise<unknown>;
const { ServiceResolver } = (await import(
  new URL('./api-server/modules/services/service.resolver.js', import.meta.url).href
)) as { ServiceResolver: { prototype: { all: List } } };

const faults: Record<string, () => Promise<void>> = {
  errors: async () => {
    throw new Error('a defect of this version');
  },
  slow: () => sleep(SLOW_MS),
};
const fault = faults[process.env.STORY_FAULT ?? ''];
if (!fault) throw new Error(`STORY_FAULT must be one of ${Object.keys(faults).join(', ')}`);

const { all } = ServiceResolver.prototype;
let asked = 0;
ServiceResolver.prototype.all = async function (...args) {
  if (asked++ % EVERY === 0) await fault();
  return all.apply(this, args);
};

await import(new URL('./api-server/main.js', import.meta.url).href);

/**
 * Versions 1.3.0 to 1.5.0 of the scenario "delivery": migrations and probes succeed, requests or jobs fail.
 * `errors`: every fourth list of services returns a GraphQL error with HTTP status 200. `slow`: every fourth
 * list takes 1.5 s. `jobs`: no webhook message is sent. Neither probes nor HTTP status codes detect it.
 */
import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';

const EVERY = 4;
const SLOW_MS = 1_500;

type Method = (...args: unknown[]) => Promise<unknown>;

const fail = async () => {
  throw new Error('a defect of this version');
};
const faults: Record<string, () => Promise<void>> = {
  errors: () => changeLists(fail),
  slow: () => changeLists(() => sleep(SLOW_MS)),
  jobs: changeJobs,
};
const fault = faults[process.env.STORY_FAULT ?? ''];
if (!fault) throw new Error(`STORY_FAULT must be one of ${Object.keys(faults).join(', ')}`);

await fault();
await import(new URL('./api-server/main.js', import.meta.url).href);

async function changeLists(change: () => Promise<void>): Promise<void> {
  const { ServiceResolver } = (await importModule('services/service.resolver.js')) as {
    ServiceResolver: { prototype: { all: Method } };
  };
  const { all } = ServiceResolver.prototype;
  let asked = 0;
  ServiceResolver.prototype.all = async function (...args) {
    if (asked++ % EVERY === 0) await change();
    return all.apply(this, args);
  };
}

async function changeJobs(): Promise<void> {
  const { WebhookSender } = (await importModule('webhooks/sender.js')) as {
    WebhookSender: { prototype: { send: Method } };
  };
  WebhookSender.prototype.send = fail;
}

function importModule(name: string): Promise<unknown> {
  return import(new URL(`./api-server/modules/${name}`, import.meta.url).href);
}

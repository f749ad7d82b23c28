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
await import('#api-server/main.js');

async function changeLists(change: () => Promise<void>): Promise<void> {
  const { ServiceResolver } = await import('#api-server/modules/services/service.resolver.js');
  const prototype = ServiceResolver.prototype as unknown as { all: Method };
  const { all } = prototype;
  let asked = 0;
  prototype.all = async function (...args) {
    if (asked++ % EVERY === 0) await change();
    return all.apply(this, args);
  };
}

async function changeJobs(): Promise<void> {
  const { WebhookSender } = await import('#api-server/modules/webhooks/sender.js');
  WebhookSender.prototype.send = fail;
}

/** Browsers that store the cookie of the gateway: sticky users with a real data plane. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { HEADERS, PATHS } from '../../contract/image.js';
import type { Delivery } from './delivery.js';
import { sharedGateway } from './support.js';

const BROWSERS = 400;
const CONNECTIONS = 8;
/** Time for a route to reach Envoy after the status reports it. */
const PROPAGATION_MS = 2_000;
/** Four standard deviations of the share at 50 %, in percentage points. */
const TOLERANCE = 10;

interface Browser {
  cookie?: string;
  revision?: string;
}

/**
 * Enables stickiness at the first weight, then raises it. Asserts the shares, that no browser changes while the weight
 * does not, and that a higher weight moves browsers to the canary only. Disables stickiness at the end.
 */
export async function expectStickyUsers(delivery: Delivery, weights: readonly number[]): Promise<void> {
  const { api } = delivery;
  const url = await sharedGateway();
  const agent = new Agent({ connections: CONNECTIONS });
  const browsers = Array.from({ length: BROWSERS }, (): Browser => ({}));
  const visit = () => visitAll(browsers, url, `${api.namespace}.example.com`, agent);
  const stickiness = (cookie: object | null) =>
    api.patch({ strategy: { type: 'Canary', canary: { stickiness: cookie && { cookie } } } });
  await stickiness({ maxAge: '1h' });
  try {
    for (const weight of weights) {
      await api.patch({ canaryWeight: weight });
      await delivery.weightInEffect(weight);
      await api.watch.until('cookie', (it) => it?.status?.traffic?.stickyCookie === 'pcf-api');
      await sleep(PROPAGATION_MS);
      const before = structuredClone(browsers);
      await visit();
      const canary = api.status.updateRevision;
      const share = (100 * browsers.filter(({ revision }) => revision === canary).length) / BROWSERS;
      console.log(`      sticky users at ${weight} %: ${share.toFixed(1)} % of ${BROWSERS} browsers`);
      assert.ok(Math.abs(share - weight) <= TOLERANCE, `${share} % of the browsers at weight ${weight}`);
      const left = browsers.filter(
        (_, at) => before[at]!.revision === canary && browsers[at]!.revision !== canary,
      );
      assert.deepEqual(left, [], 'browsers that left the canary');
      const settled = structuredClone(browsers);
      await visit();
      assert.deepEqual(browsers, settled, 'no browser changes at its second request');
    }
  } finally {
    await stickiness(null);
    await agent.close();
  }
}

async function visitAll(browsers: readonly Browser[], url: string, host: string, dispatcher: Agent) {
  const queue = browsers.values();
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      for (const browser of queue) {
        const headers = { host, ...(browser.cookie ? { cookie: `theme=dark; ${browser.cookie}` } : {}) };
        const response = await request(`${url}${PATHS.live}`, { headers, dispatcher });
        await response.body.dump();
        assert.equal(response.statusCode, 200);
        browser.revision = String(response.headers[HEADERS.revision]);
        const [cookie] = [response.headers['set-cookie'] ?? []].flat();
        if (cookie) browser.cookie = cookie.split(';')[0];
      }
    }),
  );
}

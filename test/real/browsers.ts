/** Browsers that store the cookie of the gateway: sticky users with a real data plane. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent } from 'undici';
import { Browsers } from '../../sandbox/story/browsers.js';
import type { Delivery } from './delivery.js';
import { sharedGateway } from './support.js';

const BROWSERS = 400;
/** Time for a route to reach Envoy after the status reports it. */
const PROPAGATION_MS = 2_000;
/** Four standard deviations of the share at 50 %, in percentage points. */
const TOLERANCE = 10;

/**
 * Enables stickiness at the first weight, then raises it. Asserts the shares, that no browser changes while the weight
 * does not, and that a higher weight moves browsers to the canary only. Disables stickiness at the end.
 */
export async function expectStickyUsers(delivery: Delivery, weights: readonly number[]): Promise<void> {
  const { api } = delivery;
  const url = await sharedGateway();
  const agent = new Agent({ connections: 8 });
  const browsers = new Browsers(BROWSERS, agent, url, `${api.namespace}.example.com`);
  const stickiness = (cookie: object | null) =>
    api.patch({ strategy: { type: 'Canary', canary: { stickiness: cookie && { cookie } } } });
  await stickiness({ maxAge: '1h' });
  try {
    for (const weight of weights) {
      await api.patch({ canaryWeight: weight });
      await delivery.weightInEffect(weight);
      await api.watch.until('cookie', (it) => it?.status?.traffic?.stickyCookie === 'pcf-api');
      await sleep(PROPAGATION_MS);
      const before = browsers.snapshot();
      await browsers.visit();
      const canary = api.status.updateRevision;
      const share = browsers.share(canary);
      console.log(`      sticky users at ${weight} %: ${share.toFixed(1)} % of ${BROWSERS} browsers`);
      assert.ok(Math.abs(share - weight) <= TOLERANCE, `${share} % of the browsers at weight ${weight}`);
      const left = browsers.all.filter(
        ({ revision }, at) => before[at]!.revision === canary && revision !== canary,
      );
      assert.deepEqual(left, [], 'browsers that left the canary');
      const settled = browsers.snapshot();
      await browsers.visit();
      assert.deepEqual(browsers.all, settled, 'no browser changes at its second request');
    }
  } finally {
    await stickiness(null);
    await agent.close();
  }
}

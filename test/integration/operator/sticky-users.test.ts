import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { Pool } from 'undici';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { type Browser, Browsers } from '../../../sandbox/story/browsers.js';
import { image, TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';
import { propertyRuns } from '../../support/runner/property-runs.js';

/** Users with a second request at the same weight. */
const RETURNING = 1_000;
const CONNECTIONS = 32;
/** The gateway of the sandbox follows a route by a watch of its own. */
const SETTLE_MS = 300;

describe('sticky users through the gateway', () => {
  let sandbox: Sandbox;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
  });

  for (const [provider, gateways, count] of [
    ['Istio', ['istio-system/public'], propertyRuns(10_000)],
    ['GatewayAPI', ['gateways/public'], 2_000],
  ] as const) {
    it(`${provider}: with ${count} browsers, weights 10, 50, 25 and an abort give the exact shares, and move users in one direction`, async () => {
      const namespace = await newTenant(sandbox, `sticky-${provider.toLowerCase()}`);
      const host = `${namespace}.example.com`;
      const api = await TestApi.create(sandbox, namespace, {
        replicas: 1,
        traffic: { provider, hosts: [host], gateways },
        strategy: { type: 'Canary', canary: { stickiness: { cookie: { maxAge: '1h' } } } },
      });
      await api.ready();
      const origin = `https://127.0.0.1:${sandbox.gatewayPort}`;
      const pool = new Pool(origin, {
        connect: { ca: readFileSync(sandbox.gateway.caPath, 'utf8'), servername: host },
        connections: CONNECTIONS,
      });
      const users = new Browsers(count, pool, origin, host);
      const old = api.status.stableRevision!;
      try {
        await users.visit(users.all.slice(0, RETURNING));
        assert.ok(
          users.all.every(({ cookie }) => !cookie),
          'there is no cookie without a canary',
        );

        await api.patch({ image: image('1.1.0'), canaryWeight: 10 });
        let before: Browser[] = users.all.map(() => ({ revision: old }));
        for (const weight of [10, 50, 25]) {
          await api.patch({ canaryWeight: weight });
          await api.watch.until(`weight ${weight}`, (it) => {
            const traffic = it?.status?.traffic;
            return (
              traffic?.effectiveWeight === weight && traffic.verified && traffic.stickyCookie === 'pcf-api'
            );
          });
          const fresh = api.status.updateRevision!;
          await setTimeout(SETTLE_MS);
          await users.visit();
          const share = users.share(fresh);
          assert.ok(Math.abs(share - weight) <= 2, `${share} % of the users at weight ${weight}`);
          const raised = weight > 25 || before[0]!.cookie === undefined;
          const moved = users.all.filter((user, index) => user.revision !== before[index]!.revision);
          assert.ok(
            moved.every(({ revision }) => revision === (raised ? fresh : old)),
            `weight ${weight}: users move to ${raised ? 'the canary' : 'the stable revision'} only`,
          );
          const now = users.snapshot();
          await users.visit(users.all.slice(0, RETURNING));
          assert.deepEqual(users.all, now, `weight ${weight}: no user changes at the second request`);
          before = now;
        }

        const aborted = await sandbox.kubectlPcf(['abort', 'api', '-n', namespace]);
        assert.match(aborted, /aborted/);
        await api.watch.until('aborted', (it) => it?.status?.traffic?.effectiveWeight === 0);
        await setTimeout(SETTLE_MS);
        await users.visit();
        assert.equal(users.share(old), 100, 'no user is bound to the aborted revision');
        assert.equal(api.status.traffic?.stickyCookie, undefined);
      } finally {
        await pool.close();
        await api.remove();
      }
    }).timeout(300_000);
  }
});

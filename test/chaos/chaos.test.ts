import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sandbox } from '../../sandbox/sandbox.js';
import { count, Load } from '../../sandbox/story/load.js';
import { LIST } from '../../sandbox/story/tale.js';
import { eventually, image, TestApi } from '../support/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../support/sandbox.js';
import { actions } from './actions.js';

// To replay or to go on for longer: CHAOS_SEED=7 CHAOS_ACTIONS=300 npx mocha dist/test/chaos/chaos.test.js
const SEED = Number(process.env.CHAOS_SEED ?? 20261123);
const ACTIONS = Number(process.env.CHAOS_ACTIONS ?? 30);

describe('chaos', function () {
  this.timeout(START_TIMEOUT_MS);
  let sandbox: Sandbox;

  before(async () => {
    sandbox = await sharedSandbox();
  });

  it(`of ${ACTIONS} edits, killed operators, evicted pods, meddlers and routes of a user's own (seed ${SEED}) fails no request, and ends well`, async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'chaos'), {
      replicas: 2,
      // Pods that are evicted serve on until the gateway has noticed, as they do in production.
      config: { shutdown: { delay: '2s' } },
    });
    await api.ready();
    const load = new Load({
      port: sandbox.gatewayPort,
      host: `${api.namespace}.example.com`,
      caPath: sandbox.gateway.caPath,
      query: LIST,
      workers: 4,
    });
    load.start();
    const log: string[] = [];
    try {
      for (const { what, act, pauseMs } of actions(SEED, ACTIONS)) {
        log.push(`${new Date().toISOString().slice(11, 23)} ${what}`);
        await act(api);
        await sleep(pauseMs);
      }
      log.push(`${new Date().toISOString().slice(11, 23)} calm`);
      await api.patch({
        paused: false,
        image: image('1.1.0'),
        canaryWeight: 100,
        replicas: 2,
        strategy: null,
      });
      await sandbox.kubectlPcf(['retry', api.name, '-n', api.namespace]).catch(() => {});
      await eventually('it has come to rest', () => settled(api), 60_000);
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${log.join('\n')}`);
    } finally {
      await load.stop();
    }
    const { failures } = load.total;
    assert.deepEqual(
      failures,
      [],
      `${failures.length} of ${count(load.total)} requests failed\n${log.join('\n')}`,
    );
    assert.ok(count(load.total) > 100, 'there was load');
    await api.remove();
  });
});

/** Status and cluster say the same: everything on the image that was asked for last, and nothing under way. */
function settled({ status }: TestApi): boolean {
  return (
    status.phase === 'Ready' && status.stableImage === image('1.1.0') && status.updateRevision === undefined
  );
}

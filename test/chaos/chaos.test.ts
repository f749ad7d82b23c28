import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { retry } from '../../cli/actions.js';
import type { Sandbox } from '../../sandbox/sandbox.js';
import { count, Load } from '../../sandbox/story/load.js';
import { LIST } from '../../sandbox/story/scenario.js';
import { eventually, image, TestApi } from '../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../support/cluster/sandbox.js';
import { actions, KINDS_OF_ACTION, restoreOperatorRoute } from './actions.js';
import { assertAgreement } from './agreement.js';
import { opening } from './opening.js';
import { Operators } from './operators.js';
import { Watchdog } from './watchdog.js';
import type { World } from './world.js';

// To replay a seed or to run more rounds: CHAOS_SEED=7 CHAOS_ROUNDS=10 npx mocha dist/test/chaos/chaos.test.js
const SEED = Number(process.env.CHAOS_SEED ?? 20261123);
const ROUNDS = Number(process.env.CHAOS_ROUNDS ?? 1);

describe('chaos', function () {
  this.timeout(START_TIMEOUT_MS);
  let sandbox: Sandbox;
  let world: World;
  let loads: [Load, Load];
  /** Executed actions with their times. */
  const log: string[] = [];
  const recordAction = (what: string) => log.push(`${new Date().toISOString().slice(11, 23)} ${what}`);
  const withLog = (problem: unknown) =>
    `${problem instanceof Error ? problem.message : problem}\n${log.join('\n')}`;

  before(async () => {
    sandbox = await sharedSandbox();
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'chaos'), {
      replicas: 2,
      // Evicted pods continue to serve until the gateway removes them, as in production.
      config: { shutdown: { delay: '2s' } },
    });
    const watchdog = new Watchdog(sandbox.parts.client, api.namespace, api.name);
    await Promise.all([api.ready(), watchdog.start()]);
    world = { api, watchdog, operators: await Operators.start(sandbox) };
    const options = {
      port: sandbox.gatewayPort,
      host: `${api.namespace}.example.com`,
      caPath: sandbox.gateway.caPath,
      query: LIST,
    };
    loads = [
      new Load({ ...options, workers: 4 }),
      new Load({ ...options, workers: 1, headers: { 'x-canary': 'true' } }),
    ];
    for (const load of loads) load.start();
  });
  after(async () => {
    await Promise.all((loads ?? []).map((load) => load.stop()));
    await world?.operators.stop();
    await world?.watchdog.stop();
    await world?.api.remove();
  });

  /** Asserts that no request has failed and no guarantee was violated. */
  function assertNoFailures(): void {
    const failures = loads.flatMap(({ total }) => total.failures);
    assert.deepEqual(failures, [], withLog(`${failures.length} requests failed`));
    assert.deepEqual([...world.watchdog.violations], [], withLog('guarantees were violated'));
  }

  it('canary steps, mirroring, promotion, undo and a rolling update fail no request', async () => {
    await opening(world, ...loads);
    assertNoFailures();
  });

  it(`${ROUNDS * KINDS_OF_ACTION} random actions (seed ${SEED}) fail no request and violate no guarantee`, async () => {
    const history = actions(SEED, ROUNDS);
    assert.equal(
      new Set(history.map(({ kind }) => kind)).size,
      KINDS_OF_ACTION,
      'each kind of action is executed',
    );
    for (const { what, act, pauseMs } of history) {
      recordAction(what);
      await act(world).catch((error: unknown) => Promise.reject(new Error(withLog(error))));
      await sleep(pauseMs);
    }
    assertNoFailures();
    assert.ok(world.watchdog.reasons.has('Forbidden'), withLog('no write was rejected'));
  });

  it('afterwards, the cluster matches the spec and the status', async () => {
    const { api, watchdog } = world;
    recordAction('final edits');
    await restoreOperatorRoute(api);
    await api.patch({
      ...{ paused: false, image: image('1.1.0'), canaryWeight: 100, replicas: 2 },
      strategy: { type: 'Canary', canary: { scaleDownDelay: '1s', maxSurge: null, mirror: null } },
    });
    await retry({ client: sandbox.parts.client, namespace: api.namespace }, api.name).catch(() => {});
    const hasSettled = () => {
      const { phase, stableImage, updateRevision } = api.status;
      const isDone = phase === 'Ready' && stableImage === image('1.1.0') && !updateRevision;
      return isDone && watchdog.serving().length === 2;
    };
    await eventually('the PcfApi is Ready with the desired version and replicas', hasSettled, 60_000).catch(
      (error: unknown) => Promise.reject(new Error(withLog(error))),
    );
    await assertAgreement(api);
    assertNoFailures();
    assert.ok(count(loads[0].total) > 500, 'there was load');
  });
});

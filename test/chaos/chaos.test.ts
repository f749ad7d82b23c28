import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { retry } from '../../cli/actions.js';
import type { Sandbox } from '../../sandbox/sandbox.js';
import { count, Load } from '../../sandbox/story/load.js';
import { LIST } from '../../sandbox/story/scenario.js';
import { eventually, image, TestApi } from '../support/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../support/sandbox.js';
import { actions, KINDS_OF_ACTION, takeRouteBack } from './actions.js';
import { assertAgreement } from './agreement.js';
import { opening } from './opening.js';
import { Operators } from './operators.js';
import { Watchdog } from './watchdog.js';
import type { World } from './world.js';

// To replay or to continue for longer: CHAOS_SEED=7 CHAOS_ROUNDS=10 npx mocha dist/test/chaos/chaos.test.js
const SEED = Number(process.env.CHAOS_SEED ?? 20261123);
const ROUNDS = Number(process.env.CHAOS_ROUNDS ?? 1);

describe('chaos', function () {
  this.timeout(START_TIMEOUT_MS);
  let sandbox: Sandbox;
  let world: World;
  let loads: [Load, Load];
  /** What was done, and when. */
  const log: string[] = [];
  const note = (what: string) => log.push(`${new Date().toISOString().slice(11, 23)} ${what}`);
  const told = (problem: unknown) =>
    `${problem instanceof Error ? problem.message : problem}\n${log.join('\n')}`;

  before(async () => {
    sandbox = await sharedSandbox();
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'chaos'), {
      replicas: 2,
      // Pods that are evicted serve on until the gateway has noticed, as they do in production.
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

  /** No request was lost, and no promise broken, so far. */
  function assertUnharmed(): void {
    const failures = loads.flatMap(({ total }) => total.failures);
    assert.deepEqual(failures, [], told(`${failures.length} requests failed`));
    assert.deepEqual([...world.watchdog.broken], [], told('promises were broken'));
  }

  it('begins with a healthy version: steps, a live weight, copies, promotion, undo, a rolling update', async () => {
    await opening(world, ...loads);
    assertUnharmed();
  });

  it(`of ${ROUNDS * KINDS_OF_ACTION} edits, bad versions, killed operators and pods, meddlers and refused writes (seed ${SEED}) fails no request, and breaks no promise`, async () => {
    const history = actions(SEED, ROUNDS);
    assert.equal(new Set(history.map(({ kind }) => kind)).size, KINDS_OF_ACTION, 'each kind is drawn');
    for (const { what, act, pauseMs } of history) {
      note(what);
      await act(world).catch((error: unknown) => Promise.reject(new Error(told(error))));
      await sleep(pauseMs);
    }
    assertUnharmed();
    assert.ok(world.watchdog.reasons.has('Forbidden'), told('no write was refused'));
  });

  it('ends well: all is as asked, and the cluster is as the status says', async () => {
    const { api, watchdog } = world;
    note('calm');
    await takeRouteBack(api);
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
    await eventually('it has come to rest', hasSettled, 60_000).catch((error: unknown) =>
      Promise.reject(new Error(told(error))),
    );
    await assertAgreement(api);
    assertUnharmed();
    assert.ok(count(loads[0].total) > 500, 'there was load');
  });
});

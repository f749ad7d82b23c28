import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PcfApiView } from '../../sandbox/story/pcfapi-watch.js';
import { PcfApiKind } from '../../sandbox/story/pcfapi-watch.js';
import { eventually } from '../support/cluster/pcf-api.js';
import { Delivery } from './delivery.js';
import { Lanes } from './load.js';
import { imageOf } from './parts/images.js';
import { serviceAddress } from './support.js';

const NAMESPACE = 'autoscaling';
/** The HPA controller reads every 2 s, metrics-server every 10 s. */
const OBSERVED_MS = 60_000;

describe('real HorizontalPodAutoscaler with metrics-server', function () {
  this.timeout(900_000);
  let delivery: Delivery;

  before(async () => {
    delivery = await Delivery.start(NAMESPACE, {
      replicas: undefined,
      // An idle pod uses up to 50m: far from 70 % of the request, so only memory is near its target.
      resources: { requests: { cpu: '300m', memory: '256Mi' } },
      autoscaling: { horizontal: { minReplicas: 2, maxReplicas: 5, cpu: 70, memory: 95 } },
    });
    await delivery.lanes.stop();
  });

  after(() => delivery?.api.remove());

  const replicas = async () => {
    const { client } = delivery.real.parts;
    const api = (await client.get(PcfApiKind, NAMESPACE, 'api')) as PcfApiView & {
      spec: { replicas?: number };
    };
    return api.spec.replicas;
  };

  const memoryOfAPod = async () => {
    const { kubectl } = delivery.real;
    const top = await kubectl.run(['top', 'pod', '-n', NAMESPACE, '--no-headers']).catch(() => '');
    const usages = [...top.matchAll(/^api-\S+ +\d+m +(\d+)Mi/gm)].map(([, usage]) => Number(usage));
    return usages.length === 0 ? 0 : usages.reduce((sum, usage) => sum + usage, 0) / usages.length;
  };

  /** Each change of replicas with the metric that caused it, and what the pods use now. */
  const reasonsOfTheAutoscaler = async () => {
    const { kubectl } = delivery.real;
    const events = [
      'get',
      'events',
      '-n',
      NAMESPACE,
      '--field-selector=involvedObject.kind=HorizontalPodAutoscaler',
    ];
    return `${await kubectl.run(events)}\n${await kubectl.run(['top', 'pod', '-n', NAMESPACE])}`;
  };

  it('a delivery at constant load with memory near its target keeps spec.replicas', async () => {
    await eventually('metrics-server reports the pods', async () => (await memoryOfAPod()) > 0, 90_000);
    // Idle pods use 90 % of this target: an HPA that counts the pods of both revisions scales up.
    const target = Math.ceil((await memoryOfAPod()) / 2.56 / 0.9);
    await delivery.api.patch({ autoscaling: { horizontal: { memory: target } } });
    await eventually('the HPA writes spec.replicas', async () => (await replicas()) === 2, 60_000);
    await delivery.api.patch({ image: imageOf('1.1.0'), canaryWeight: 50 });
    await delivery.weightInEffect(50);
    const observed = new Set<number | undefined>();
    for (const end = Date.now() + OBSERVED_MS; Date.now() < end; await sleep(1_000))
      observed.add(await replicas());
    const status = await delivery.real.kubectl.run(['get', 'hpa', '-n', NAMESPACE, '--no-headers']);
    console.log(
      `      memory target ${target} %; ${status.trim()}; spec.replicas ${[...observed].join(', ')}`,
    );
    if (observed.size > 1) console.log(await reasonsOfTheAutoscaler());
    assert.deepEqual([...observed], [2]);
  });

  it('a load increase during the delivery scales up', async () => {
    const lanes = new Lanes();
    const service = await serviceAddress(delivery.real, NAMESPACE, 'api');
    lanes.add('service', service, { workers: 16, pauseMs: 0 });
    try {
      await eventually('spec.replicas rises', async () => ((await replicas()) ?? 0) > 2, 120_000);
      console.log(`      spec.replicas ${await replicas()}`);
      assert.deepEqual(lanes.takeFailures().slice(0, 5), []);
    } finally {
      await lanes.stop();
    }
  });
});

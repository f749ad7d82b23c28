import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { BufferedRateLimiter } from '../../../api-server/http/buffered-rate-limiter.js';
import { RateLimiter } from '../../../api-server/http/rate-limiter.js';
import { startRedis, type TestRedis } from '../../support/redis.js';

const LIMIT = 200;

describe('a limit that is counted in Redis a moment later', () => {
  let server: TestRedis | undefined;
  const clients: Redis[] = [];

  before(async function () {
    this.timeout(240_000); // it may have to be installed
    server = await startRedis();
    if (!server) this.skip();
  });
  after(async () => {
    for (const client of clients) client.disconnect();
    await server?.stop();
  });

  /** One of several processes. */
  const ofProcess = async (name: string, points = LIMIT, windowMs = 60_000) => {
    const client = new Redis(server!.url);
    clients.push(client);
    await once(client, 'ready');
    return new BufferedRateLimiter(new RateLimiter({ name, points, windowMs }, client));
  };
  const letIn = async (limiter: BufferedRateLimiter, times: number) => {
    let count = 0;
    for (let time = 0; time < times; time += 1) if ((await limiter.take('me')) === undefined) count += 1;
    return count;
  };
  const counted = async (name: string) => Number(await clients[0]!.get(`pcf:limit:${name}:me`));

  it('lets in exactly as many as there may be, and waits for Redis only near the limit', async () => {
    const one = await ofProcess('exact');
    await one.take('me');
    const waits = Array.from({ length: LIMIT / 2 - 1 }, () => one.take('me')).filter(Boolean);
    assert.deepEqual(waits, [], 'the first half is let in at once');
    assert.equal(await letIn(one, LIMIT), LIMIT / 2);
    assert.equal(await letIn(one, 1), 0);
    const seconds = await one.take('me');
    assert.ok(seconds && seconds > 50 && seconds <= 60, `${seconds}`);
  });

  it('is exact though many come at once', async () => {
    const one = await ofProcess('at once');
    const taken = await Promise.all(Array.from({ length: 2 * LIMIT }, () => one.take('me')));
    assert.equal(taken.filter((seconds) => seconds === undefined).length, LIMIT);
  });

  it('is shared: what others used is known a moment later', async () => {
    const [one, other] = [await ofProcess('shared'), await ofProcess('shared')];
    assert.equal(await letIn(one, 90), 90);
    await sleep(300);
    assert.equal(await counted('shared'), 90);
    assert.equal(await letIn(other, LIMIT), LIMIT - 90);
    assert.equal(await letIn(one, LIMIT), 10, 'up to half of the limit it does not ask');
    assert.equal(await letIn(one, 10), 0);
  });

  it('begins again with the next window, and tells nothing of the last one', async () => {
    const one = await ofProcess('again', LIMIT, 2_000);
    assert.equal(await letIn(one, 50), 50);
    await sleep(2_100);
    assert.equal(await letIn(one, LIMIT + 10), LIMIT);
  });

  it('a limit of a few is counted in Redis each time', async () => {
    const [one, other] = [await ofProcess('few', 5), await ofProcess('few', 5)];
    assert.deepEqual([await letIn(one, 3), await letIn(other, 3)], [3, 2]);
  });
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { BufferedRateLimiter } from '../../../api-server/http/buffered-rate-limiter.js';
import { RateLimiter } from '../../../api-server/http/rate-limiter.js';
import { startRedis, type TestRedis } from '../../support/servers/redis.js';

const LIMIT = 200;

describe('BufferedRateLimiter', () => {
  let server: TestRedis | undefined;
  const clients: Redis[] = [];

  before(async function () {
    server = await startRedis();
    if (!server) this.skip();
  });
  after(async () => {
    for (const client of clients) client.disconnect();
    await server?.stop();
  });

  /** Creates a limiter with its own Redis connection, like one of several processes. */
  const createLimiter = async (name: string, points = LIMIT, windowMs = 60_000) => {
    const client = new Redis(server!.url);
    clients.push(client);
    await once(client, 'ready');
    return new BufferedRateLimiter(new RateLimiter({ name, points, windowMs }, client));
  };
  const countAdmitted = async (limiter: BufferedRateLimiter, times: number) => {
    let count = 0;
    for (let time = 0; time < times; time += 1) if ((await limiter.take('me')) === undefined) count += 1;
    return count;
  };
  const storedCount = async (name: string) => Number(await clients[0]!.get(`pcf:limit:${name}:me`));

  it('admits exactly as many requests as the limit and waits for Redis only near the limit', async () => {
    const one = await createLimiter('exact');
    await one.take('me');
    const waits = Array.from({ length: LIMIT / 2 - 1 }, () => one.take('me')).filter(Boolean);
    assert.deepEqual(waits, [], 'the first half of the limit is admitted without waiting for Redis');
    assert.equal(await countAdmitted(one, LIMIT), LIMIT / 2);
    assert.equal(await countAdmitted(one, 1), 0);
    const seconds = await one.take('me');
    assert.ok(seconds && seconds > 50 && seconds <= 60, `${seconds}`);
  });

  it('admits exactly as many concurrent requests as the limit', async () => {
    const one = await createLimiter('at once');
    const taken = await Promise.all(Array.from({ length: 2 * LIMIT }, () => one.take('me')));
    assert.equal(taken.filter((seconds) => seconds === undefined).length, LIMIT);
  });

  it('applies one limit to several processes after their counts are written to Redis', async () => {
    const [one, other] = [await createLimiter('shared'), await createLimiter('shared')];
    assert.equal(await countAdmitted(one, 90), 90);
    await sleep(300);
    assert.equal(await storedCount('shared'), 90);
    assert.equal(await countAdmitted(other, LIMIT), LIMIT - 90);
    assert.equal(await countAdmitted(one, LIMIT), 10, 'up to half of the limit, no count is read from Redis');
    assert.equal(await countAdmitted(one, 10), 0);
  });

  it('starts the next window with a count of zero', async () => {
    const one = await createLimiter('again', LIMIT, 2_000);
    assert.equal(await countAdmitted(one, 50), 50);
    await sleep(2_100);
    assert.equal(await countAdmitted(one, LIMIT + 10), LIMIT);
  });

  it('counts every request in Redis if the limit is low', async () => {
    const [one, other] = [await createLimiter('few', 5), await createLimiter('few', 5)];
    assert.deepEqual([await countAdmitted(one, 3), await countAdmitted(other, 3)], [3, 2]);
  });
});

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import pg from 'pg';
import { formatLsn, parseLsn } from '../../../api-server/database/pool/session.js';
import { parseTimestamp } from '../../../api-server/database/pool/timestamp-parser.js';
import { Readiness } from '../../../api-server/http/health/readiness.js';
import type { RedisState } from '../../../api-server/redis/redis.js';

describe('api-server platform rules', () => {
  it("only database/ and migrations/ import TypeORM's DataSource, because other code declares its access", () => {
    const files = readdirSync('api-server', { recursive: true, encoding: 'utf8' });
    const users = files.filter((file) => {
      if (!file.endsWith('.ts') || /^(database|migrations)\//.test(file)) return false;
      return /\bDataSource\b[^;]*from 'typeorm'/.test(readFileSync(join('api-server', file), 'utf8'));
    });
    assert.deepEqual(users, []);
    assert.ok(files.length > 100);
  });

  it('parseLsn: restores each formatted LSN, keeps the WAL order, and rejects invalid text', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 63n) - 1n }), (lsn) => {
        assert.equal(parseLsn(formatLsn(lsn)), lsn);
      }),
    );
    assert.ok((parseLsn('1/0') ?? 0n) > (parseLsn('0/FFFFFFFF') ?? 0n));
    for (const bad of ['', '1', '1/', 'x/y', '1/123456789', "0/0'; DROP", undefined]) {
      assert.equal(parseLsn(bad), undefined);
    }
  });

  it('parseTimestamp: returns the same date as pg for every time zone and precision', () => {
    const pgReads = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ) as (text: string) => Date;
    const styles = fc.constantFrom('+00', '+05:30', '-03', '+00:00', '');
    const times = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true });
    fc.assert(
      fc.property(times, styles, fc.integer({ min: 0, max: 6 }), (time, zone, decimals) => {
        const [day, clock = ''] = time.toISOString().replace('Z', '000').split('T');
        const text = `${day} ${decimals === 0 ? clock.slice(0, 8) : clock.slice(0, 9 + decimals)}${zone}`;
        assert.equal(parseTimestamp(text)?.getTime(), pgReads(text)?.getTime(), text);
      }),
    );
    for (const text of [
      'infinity',
      '-infinity',
      '0044-03-15 12:00:00+00 BC',
      '12026-01-01 00:00:00+00',
      'x'.repeat(22),
    ]) {
      assert.deepEqual(parseTimestamp(text), pgReads(text), text);
    }
  });

  it('Readiness: the API is ready without Redis, a worker is not, and neither is ready during shutdown', () => {
    const database = () => ({ state: 'ready' as const, since: new Date() });
    const status = (redis: RedisState, needsRedis: boolean) =>
      new Readiness({ database, redis: () => redis, needsRedis }).report().status;
    assert.equal(status('unavailable', false), 'ready');
    assert.equal(status('unavailable', true), 'not ready');
    assert.equal(status('ready', true), 'ready');
    const readiness = new Readiness({ database, redis: () => 'ready' });
    readiness.turnOff();
    assert.equal(readiness.report().status, 'not ready');
  });
});

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { fastify } from 'fastify';
import { backoffMs } from '../../../api-server/backoff.js';
import { loadSettings } from '../../../api-server/config/load.js';
import { Bindings } from '../../../api-server/database/conditions.js';
import {
  databaseFailure,
  isDatabaseUnavailable,
  shortReason,
} from '../../../api-server/database/pool/connection-errors.js';
import { fromGlobalId, toGlobalId, uuidOf } from '../../../api-server/graphql/relay/global-id.js';
import { encodeCursor, type Keyset, keysetSql } from '../../../api-server/graphql/relay/keyset.js';
import { requestId } from '../../../api-server/http/request-state.js';
import { trustedProxies } from '../../../api-server/http/trusted-proxies.js';
import { fitReport, lastLine } from '../../../api-server/migrations/engine/report.js';
import { writeTerminationMessage } from '../../../api-server/observability/crash-report.js';
import { redact, redactUrls } from '../../../api-server/observability/logging/redact.js';
import { boundedNames } from '../../../api-server/observability/metrics/bounded-names.js';
import { migrationReportSchema } from '../../../contract/image.js';

describe('api-server platform', () => {
  it('backoffMs: doubles from 1 s to 60 s with 20 percent of jitter, and never exceeds 60 s', () => {
    const steps = [0, 1, 2, 5, 6, 20, 10_000].map((failures) =>
      backoffMs(failures, { initialMs: 1_000, maxMs: 60_000 }, () => 0.5),
    );
    assert.deepEqual(steps, [1_000, 2_000, 4_000, 32_000, 60_000, 60_000, 60_000]);
    fc.assert(
      fc.property(fc.nat(5_000), fc.double({ min: 0, max: 0.999, noNaN: true }), (failures, random) => {
        const ms = backoffMs(failures, { initialMs: 1_000, maxMs: 60_000 }, () => random);
        return ms >= 800 && ms <= 60_000;
      }),
    );
  });

  it('webhook retries continue for 8 to 24 hours, and the first follows within 10 s', async () => {
    const { webhooks } = await loadSettings({
      PCF_API__DATABASE__URL: 'postgresql://localhost/none',
      PCF_CONFIG_DIR: '/nonexistent',
    });
    const backoff = { initialMs: webhooks.retry_initial, maxMs: webhooks.retry_max };
    const waits = Array.from({ length: webhooks.attempts - 1 }, (_, n) => backoffMs(n, backoff, () => 0));
    const hours = waits.reduce((sum, ms) => sum + ms, 0) / 3_600_000;
    assert.ok(hours > 8 && hours < 24, `${hours} h`);
    assert.ok((waits[0] ?? 0) < 10_000, 'the first retry follows within 10 s');
  });

  it('trustedProxies: trusts X-Forwarded-For of the configured number or addresses of proxies only', async () => {
    const clientOf = async (setting: string, peer: string, forwarded: string) => {
      const app = fastify({ trustProxy: trustedProxies(setting) });
      app.get('/', ({ ip }) => ip);
      const headers = { 'x-forwarded-for': forwarded };
      return (await app.inject({ url: '/', remoteAddress: peer, headers })).body;
    };
    const forwardedFor = '198.51.100.1, 10.9.9.9, 203.0.113.7';
    assert.equal(
      await clientOf('1', '10.0.0.1', forwardedFor),
      '203.0.113.7',
      'the last address, which the gateway appended',
    );
    assert.equal(await clientOf('1', '::ffff:10.0.0.1', forwardedFor), '203.0.113.7');
    assert.equal(
      await clientOf('1', '203.0.113.9', forwardedFor),
      '203.0.113.9',
      'a client that bypasses the gateway',
    );
    assert.equal(
      await clientOf('1', '10.0.0.1', '198.51.100.1, 10.0.0.2'),
      '10.0.0.2',
      'one proxy is trusted',
    );
    assert.equal(await clientOf('2', '10.0.0.1', '198.51.100.1, 10.0.0.2'), '198.51.100.1');
    assert.equal(await clientOf('2', '10.0.0.1', 'x, nonsense'), 'nonsense');
    assert.equal(await clientOf('10.0.0.0/24, 192.0.2.1', '10.0.0.1', forwardedFor), '203.0.113.7');
  });

  it('redact and redactUrls: remove credentials from text', () => {
    assert.equal(redactUrls('connect to redis://:pw@host:1 failed'), 'connect to redis://***@host:1 failed');
    assert.equal(redactUrls('postgres://me:p@ss@host/pcf is wrong'), 'postgres://***@host/pcf is wrong');
    const url = 'postgresql://me:s%2Fcret-123@db/pcf';
    assert.equal(
      redact('password "s/cret-123" of s%2Fcret-123 is wrong', url),
      'password "***" of *** is wrong',
    );
    assert.equal(redact('nothing to hide', 'postgresql://db/pcf'), 'nothing to hide');
  });

  it('redactUrls: takes time in proportion to the length of a text, whatever it contains', () => {
    // A quadratic expression takes 6 s for the first of these texts.
    for (const part of ['a', 'a://', '://', 'a@', 'password ']) {
      const text = part.repeat(100_000 / part.length);
      const startedAt = performance.now();
      redact(text);
      const ms = performance.now() - startedAt;
      assert.ok(ms < 1_000, `${ms} ms for a text of "${part}"`);
    }
  });

  it('redact: does not change an error message that contains a short or common password as a word', () => {
    for (const password of ['a', 'pcf', 'role', 'postgres', 'password', 'database', '1', '5432']) {
      const url = `postgresql://postgres:${password}@db:5432/pcf`;
      for (const message of [
        'password authentication failed for user "postgres"',
        'role "pcf" of database "pcf" does not exist at line 1, port 5432',
      ])
        assert.equal(redact(message, url), message, password);
      assert.equal(redact(`connect to ${url} failed`, url), 'connect to postgresql://***@db:5432/pcf failed');
      assert.equal(redact(`host=db password=${password} user=me`, url), 'host=db password=*** user=me');
      assert.equal(redact(`CREATE ROLE me PASSWORD '${password}';`, url), 'CREATE ROLE me PASSWORD ***;');
    }
  });

  it('trustedProxies: trusts private addresses, but no public, 6to4, Teredo or NAT64 address', async () => {
    const proxies = trustedProxies('1') as (address: string, index: number) => boolean;
    for (const address of ['2002:a00:1::1', '64:ff9b::a00:1', '2001:0:a00:1::1', '::a00:1', '203.0.113.7'])
      assert.equal(proxies(address, 0), false, address);
    for (const address of ['10.0.0.1', '100.64.0.1', '240.0.0.1', 'fd00::1', '::1', '::ffff:10.0.0.1'])
      assert.equal(proxies(address, 0), true, address);
  });

  it('fitReport: returns a valid report of at most 4,096 bytes for any content', () => {
    const names = fc.array(fc.string({ maxLength: 80, unit: 'grapheme' }), { maxLength: 200 });
    fc.assert(
      fc.property(
        names,
        names,
        fc.string({ maxLength: 9_000, unit: 'grapheme' }),
        (applied, pending, error) => {
          const text = fitReport({ outcome: 'failed', current: 'x', applied, pending, durationMs: 1, error });
          migrationReportSchema.parse(JSON.parse(text));
          return Buffer.byteLength(text) <= 4_096;
        },
      ),
      { numRuns: 50 },
    );
    assert.equal(lastLine('first\nlast\n\n'), 'last');
  });

  it('writeTerminationMessage: truncates to 4,096 bytes, and does not throw without PCF_TERMINATION_LOG', () => {
    const folder = mkdtempSync(join(tmpdir(), 'pcf-test-words-'));
    const file = join(folder, 'log');
    writeTerminationMessage('x'.repeat(5_000), { PCF_TERMINATION_LOG: file });
    assert.equal(readFileSync(file, 'utf8').length, 4_096);
    writeTerminationMessage('x', {});
    rmSync(folder, { recursive: true });
  });

  it('fromGlobalId: returns the type and UUID of a global ID, and rejects any other text', () => {
    const uuid = '7d444840-9dc0-11d1-b245-5ffdce74fad2';
    assert.deepEqual(fromGlobalId(toGlobalId('Service', uuid), 'id'), { type: 'Service', uuid });
    assert.throws(
      () => uuidOf('Deployment', toGlobalId('Service', uuid), 'input.id'),
      /input\.id: is the ID of a Service/,
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        assert.throws(() => fromGlobalId(text, 'id'), /is not an ID of this API/);
      }),
    );
  });

  it('keysetSql: binds the values of a cursor as parameters, and rejects any other text', () => {
    const keyset: Keyset<{ at: Date; name: string }> = {
      parts: [
        { property: 'at', type: 'timestamp' },
        { property: 'name', type: 'text' },
      ],
      direction: 'DESC',
    };
    const column = (property: string) => `t.${property}`;
    fc.assert(
      fc.property(
        fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true }),
        fc.string({ maxLength: 50 }).filter((text) => !text.includes('\0')),
        (at, name) => {
          const after = encodeCursor(keyset, { at, name });
          const { values, bind } = new Bindings();
          const sql = keysetSql(keyset, { limit: 1, backward: false, after }, column, bind);
          assert.deepEqual(values, [at.toISOString(), name]);
          assert.deepEqual(sql.where, ['(t.at, t.name) < (CAST($1 AS timestamptz), CAST($2 AS text))']);
        },
      ),
    );
    fc.assert(
      fc.property(fc.string(), (after) => {
        assert.throws(
          () => keysetSql(keyset, { limit: 1, backward: false, after }, column, new Bindings().bind),
          /is not a cursor/,
        );
      }),
    );
    const { orderBy } = keysetSql(keyset, { limit: 1, backward: true }, column, new Bindings().bind);
    assert.equal(orderBy, 't.at ASC, t.name ASC');
  });

  it('boundedNames: maps names beyond the limit to "other"', () => {
    const nameOf = boundedNames(2);
    assert.deepEqual(['a', 'b', 'c', 'a', undefined, ''].map(nameOf), [
      'a',
      'b',
      'other',
      'a',
      'anonymous',
      'anonymous',
    ]);
    assert.equal(boundedNames(2)('x'.repeat(500)), 'other');
  });

  it('requestId: accepts an ID that is safe to log, and generates a UUID otherwise', () => {
    assert.equal(requestId('abc-1.2:3_4'), 'abc-1.2:3_4');
    for (const bad of ['', 'a b', 'a\nb', 'x'.repeat(129), undefined, ['a', 'b']]) {
      assert.match(requestId(bad), /^[0-9a-f-]{36}$/);
    }
  });

  it('databaseFailure: distinguishes an unavailable database, an exhausted pool, a statement timeout and a failed statement', () => {
    const coded = (code: string) => Object.assign(new Error('x'), { code });
    for (const code of ['ECONNREFUSED', 'ECONNRESET', '57P01', '57P03', '08006', '53300']) {
      assert.ok(isDatabaseUnavailable(coded(code)), code);
      assert.ok(isDatabaseUnavailable({ driverError: coded(code) }), code);
    }
    assert.ok(isDatabaseUnavailable(new Error('Connection terminated unexpectedly')));
    assert.ok(isDatabaseUnavailable(new AggregateError([coded('ECONNREFUSED')])));
    for (const wrong of [coded('23505'), coded('42P01'), new Error('x'), null, undefined, 'text']) {
      assert.ok(!isDatabaseUnavailable(wrong));
    }
    const exhausted = new Error('timeout exceeded when trying to connect');
    assert.ok(!isDatabaseUnavailable(exhausted));
    const causeOf = (error: unknown) => databaseFailure(error)?.message;
    assert.match(`${causeOf(exhausted)}`, /connection pool is exhausted/);
    assert.match(`${causeOf({ driverError: coded('57014') })}`, /statement timeout/);
    assert.match(`${causeOf(coded('ECONNREFUSED'))}`, /database is unavailable/);
    assert.equal(causeOf(coded('23505')), undefined);
    assert.equal(shortReason(new AggregateError([coded('ECONNREFUSED')])), 'ECONNREFUSED');
    assert.equal(shortReason(new Error('at db.example.com')), 'unexpected error');
  });
});

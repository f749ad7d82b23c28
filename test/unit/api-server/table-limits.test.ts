import assert from 'node:assert/strict';
import type { Access } from '../../../api-server/database/access.js';
import { isPoolExhausted } from '../../../api-server/database/pool/connection-errors.js';
import { TableLimits } from '../../../api-server/database/pool/table-limits.js';

const read = (...tables: string[]): Access => ({ mode: 'read', tables });
const write = (...tables: string[]): Access => ({ mode: 'write', tables });

describe('TableLimits', () => {
  /** Number of statements that enter without waiting. */
  const entered = (limits: TableLimits, access: Access, statements: number): number => {
    const waits = Array.from({ length: statements }, () => limits.enter(access));
    for (const wait of waits) wait?.catch(() => undefined);
    return waits.filter((wait) => wait === undefined).length;
  };

  it('the statements of a table hold at most three quarters of the connections', () => {
    const limits = new TableLimits(20, 1_000);
    assert.equal(entered(limits, read('services'), 40), 15);
    assert.equal(limits.waiting, 25);
    assert.equal(entered(limits, read('deployments'), 5), 5);
  });

  it('writes of a table leave connections to writes of other tables, although all share audit_events', () => {
    const limits = new TableLimits(20, 1_000);
    assert.equal(entered(limits, write('services', 'audit_events'), 40), 10);
    assert.equal(entered(limits, write('users', 'audit_events'), 40), 5);
    assert.equal(entered(limits, read('users'), 5), 5);
  });

  it('a statement that leaves admits the oldest that may run', async () => {
    const limits = new TableLimits(4, 1_000);
    assert.equal(entered(limits, read('services'), 3), 3);
    const order: string[] = [];
    const waiting = ['first', 'second'].map((name) =>
      limits.enter(read('services'))?.then(() => order.push(name)),
    );
    limits.leave(read('services'));
    await waiting[0];
    assert.deepEqual(order, ['first']);
    limits.leave(read('services'));
    await waiting[1];
    assert.deepEqual(order, ['first', 'second']);
  });

  it('any pool serves a statement, however few connections it has', () => {
    for (let connections = 1; connections < 20; connections += 1) {
      for (const access of [read('services'), write('services', 'audit_events')]) {
        assert.ok(entered(new TableLimits(connections, 1_000), access, 1) === 1, `${connections}`);
      }
    }
    assert.equal(entered(new TableLimits(1, 1_000), { mode: 'write', tables: [] }, 3), 3);
  });

  it('a statement that waited for the timeout fails as an exhausted pool, and frees its place', async () => {
    const limits = new TableLimits(1, 20);
    assert.equal(limits.enter(read('services')), undefined);
    await assert.rejects(limits.enter(read('services')) ?? Promise.resolve(), (error) => {
      assert.ok(isPoolExhausted(error));
      assert.match(String(error), /services/);
      return true;
    });
    assert.equal(limits.waiting, 0);
    limits.leave(read('services'));
    assert.equal(limits.enter(read('services')), undefined);
  });
});

import assert from 'node:assert/strict';
import type { Access } from '../../../api-server/database/access.js';
import { isPoolExhausted } from '../../../api-server/database/pool/connection-errors.js';
import { TableLimits } from '../../../api-server/database/pool/table-limits.js';

const read = (...tables: string[]): Access => ({ mode: 'read', tables });
const write = (...tables: string[]): Access => ({ mode: 'write', tables });

describe('TableLimits', () => {
  /** Returns the number of statements that are admitted without waiting. */
  const countAdmitted = (limits: TableLimits, access: Access, statements: number): number => {
    const waits = Array.from({ length: statements }, () => limits.enter(access));
    for (const wait of waits) wait?.catch(() => undefined);
    return waits.filter((wait) => wait === undefined).length;
  };

  it('limits the statements of a table to three quarters of the connections', () => {
    const limits = new TableLimits(20, 1_000);
    assert.equal(countAdmitted(limits, read('services'), 40), 15);
    assert.equal(limits.waiting, 25);
    assert.equal(countAdmitted(limits, read('deployments'), 5), 5);
  });

  it('reserves connections for writes of other tables, although all writes use audit_events', () => {
    const limits = new TableLimits(20, 1_000);
    assert.equal(countAdmitted(limits, write('services', 'audit_events'), 40), 10);
    assert.equal(countAdmitted(limits, write('users', 'audit_events'), 40), 5);
    assert.equal(countAdmitted(limits, read('users'), 5), 5);
  });

  it('a finished statement admits the oldest waiting statement that can run', async () => {
    const limits = new TableLimits(4, 1_000);
    assert.equal(countAdmitted(limits, read('services'), 3), 3);
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

  it('admits one statement in a pool of any size', () => {
    for (let connections = 1; connections < 20; connections += 1) {
      for (const access of [read('services'), write('services', 'audit_events')]) {
        assert.ok(countAdmitted(new TableLimits(connections, 1_000), access, 1) === 1, `${connections}`);
      }
    }
    assert.equal(countAdmitted(new TableLimits(1, 1_000), { mode: 'write', tables: [] }, 3), 3);
  });

  it('rejects a statement after the timeout as an exhausted pool, and removes it from the queue', async () => {
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

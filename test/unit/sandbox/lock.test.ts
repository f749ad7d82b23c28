import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withLock } from '../../../sandbox/process/lock.js';

describe('withLock', () => {
  let root: string;
  let path: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pcf-lock-'));
    path = join(root, 'lock');
  });

  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('runs one holder at a time, and deletes the lock folder with its content afterwards', async () => {
    let holders = 0;
    let waits = 0;
    const work = async () => {
      holders += 1;
      assert.equal(holders, 1);
      writeFileSync(join(path, 'scrap'), '');
      await sleep(20);
      holders -= 1;
    };
    const wait = () => {
      waits += 1;
    };
    await Promise.all([withLock(path, work, wait), withLock(path, work, wait)]);
    assert.equal(waits, 1);
    assert.equal(existsSync(path), false);
  });

  it('releases the lock when the work fails', async () => {
    await assert.rejects(
      withLock(path, () => Promise.reject(new Error('no')), assert.fail),
      /no/,
    );
    assert.equal(existsSync(path), false);
  });

  it('throws the name of the lock when the holder does not release it within the limit', async () => {
    const { promise, resolve: release } = Promise.withResolvers<void>();
    const holding = withLock(path, () => promise, assert.fail);
    const second = withLock(path, assert.fail, () => {}, 10);
    await assert.rejects(second, /the lock .* is held by another process: not free within 0\.01 s/);
    release();
    await holding;
  });

  for (const [what, owner] of [
    ['that has exited', '4194305 1'],
    ['whose PID was reused', `${process.pid} 1`],
  ] as const) {
    it(`takes over the lock of an owner ${what}`, async () => {
      mkdirSync(join(path, 'leftovers'), { recursive: true });
      writeFileSync(join(path, 'owner'), owner);
      const hasLeftovers = await withLock(path, async () => existsSync(join(path, 'leftovers')), assert.fail);
      assert.equal(hasLeftovers, false);
    });
  }
});

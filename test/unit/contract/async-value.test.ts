import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { AsyncValue, runWith } from '../../../contract/async-value.js';

describe('AsyncValue', () => {
  const color = new AsyncValue<string>('test color');
  const size = new AsyncValue<number>('test size');
  const both = async () => {
    await sleep(1);
    return [color.getStore(), size.getStore()];
  };

  it('is undefined outside of work that it was set for', async () => {
    assert.deepEqual(await both(), [undefined, undefined]);
    await color.run('red', both);
    assert.equal(color.getStore(), undefined);
  });

  it('keeps the other values when one is set, replaced or removed', async () => {
    await color.run('red', () =>
      size.run(1, async () => {
        assert.deepEqual(await both(), ['red', 1]);
        assert.deepEqual(await color.run('blue', both), ['blue', 1]);
        assert.deepEqual(await size.exit(both), ['red', undefined]);
        assert.deepEqual(await both(), ['red', 1]);
      }),
    );
  });

  it('sets several values at once, each for its own concurrent work', async () => {
    const works = [1, 2, 3].map((number) =>
      runWith({ ...color.with(`color ${number}`), ...size.with(number) }, both),
    );
    assert.deepEqual(
      await Promise.all(works),
      [1, 2, 3].map((number) => [`color ${number}`, number]),
    );
  });
});

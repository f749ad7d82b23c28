import assert from 'node:assert/strict';
import { within } from '../../../sandbox/process/within.js';

describe('within', () => {
  const never = new Promise<void>(() => {});

  it('throws an error with the name of the work after the limit', async () => {
    await assert.rejects(
      within('the node is ready', never, 10),
      /^Error: the node is ready: not within 0\.01 s$/,
    );
  });

  it('settles like the work when it completes within the limit', async () => {
    assert.equal(await within('a number', Promise.resolve(7)), 7);
    await assert.rejects(within('a number', Promise.reject(new Error('no'))), /^Error: no$/);
  });
});

/** Suite that it-concurrently.test.ts runs in a separate mocha process; prints when each test starts and ends. */
import { setTimeout as sleep } from 'node:timers/promises';
import { itConcurrently } from '../runner/it-concurrently.js';

const work = (name: string) => async () => {
  console.log(`start ${name}`);
  await sleep(50);
  console.log(`end ${name}`);
};

describe('suite', () => {
  const group = 'exclusive';
  itConcurrently('first', { group }, work('first'));
  itConcurrently('second', { group }, work('second'));
  for (const name of ['third', 'fourth', 'fifth']) itConcurrently(name, work(name));
  itConcurrently('failing', () => Promise.reject(new Error('expected')));
  it('last', work('last'));
});

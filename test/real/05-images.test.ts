import assert from 'node:assert/strict';
import { readParts } from './parts/parts-file.js';

describe('images', () => {
  for (const [dockerfile, [first, second]] of Object.entries(readParts().images.builds)) {
    it(`${dockerfile}: two separate builds have the same digest, so that anyone can verify a release`, () => {
      assert.match(first, /^sha256:[0-9a-f]{64}$/);
      assert.equal(second, first);
    });
  }
});

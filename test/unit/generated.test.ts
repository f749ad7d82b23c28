import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { generatedFiles } from '../../scripts/generated-files.js';

describe('generated files', () => {
  for (const [path, text] of Object.entries(generatedFiles())) {
    it(`${path} is what npm run generate writes`, () => {
      assert.equal(readFileSync(path, 'utf8'), text, `${path} is out of date: run npm run generate`);
    });
  }
});

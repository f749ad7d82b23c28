import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { exampleClient } from '../../scripts/example-client.js';
import { generatedFiles } from '../../scripts/generated-files.js';

describe('generated files', () => {
  for (const [path, text] of Object.entries(generatedFiles())) {
    it(`${path} is what npm run generate writes`, () => isUpToDate(path, text));
  }

  it('those of the example of a client are, too', async () => {
    for (const [path, text] of Object.entries(await exampleClient())) isUpToDate(path, text);
  });
});

function isUpToDate(path: string, text: string): void {
  assert.equal(readFileSync(path, 'utf8'), text, `${path} is out of date: run npm run generate`);
}

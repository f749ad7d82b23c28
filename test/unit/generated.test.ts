import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { exampleClient } from '../../scripts/example-client.js';
import { generatedFiles } from '../../scripts/generated-files.js';

describe('generated files', () => {
  for (const [path, text] of Object.entries(generatedFiles())) {
    it(`${path} equals the output of npm run generate`, () => isUpToDate(path, text));
  }

  it('the files of the client example equal the output of npm run generate', async () => {
    for (const [path, text] of Object.entries(await exampleClient())) isUpToDate(path, text);
  });
});

function isUpToDate(path: string, text: string): void {
  assert.equal(readFileSync(path, 'utf8'), text, `${path} is out of date: run npm run generate`);
}

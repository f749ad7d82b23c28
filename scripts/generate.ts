/** `npm run generate`: writes all files that are generated from the schemas of PcfApi and API. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { exampleClient } from './example-client.js';
import { generatedFiles } from './generated-files.js';

for (const [path, text] of Object.entries({ ...generatedFiles(), ...(await exampleClient()) })) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  console.log(`wrote ${path}`);
}

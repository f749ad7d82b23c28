/** `node dist/scripts/write-krew-manifest.js <owner/repository> <version> <checksums.txt>` prints the manifest for Krew. */
import { readFileSync } from 'node:fs';
import { krewManifest } from './krew-manifest.js';

const [repository, version, checksums] = process.argv.slice(2);
if (!repository || !version || !checksums)
  throw new Error('usage: write-krew-manifest.js <owner/repository> <version> <checksums.txt>');
process.stdout.write(krewManifest(repository, version, readFileSync(checksums, 'utf8')));

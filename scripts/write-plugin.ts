/** `node dist/scripts/write-plugin.js <owner/repository> <version> <folder>` writes the npm package of `kubectl pcf`. */
import { writePluginPackage } from './plugin-package.js';

const [repository, version, folder] = process.argv.slice(2);
if (!repository || !version || !folder)
  throw new Error('usage: write-plugin.js <owner/repository> <version> <folder>');
writePluginPackage(repository, version, folder);

/** `node dist/scripts/write-plugin.js <version> <folder>` writes the npm package of `kubectl pcf`. */
import { writePluginPackage } from './plugin-package.js';

const [version, folder] = process.argv.slice(2);
if (!version || !folder) throw new Error('usage: write-plugin.js <version> <folder>');
writePluginPackage(version, folder);

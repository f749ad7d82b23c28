/** `npm run bench -- NAME`: each benchmark is a separate program. */
import { existsSync, readdirSync } from 'node:fs';

const here = new URL('./', import.meta.url);
const names = readdirSync(here, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(new URL(`${entry.name}/main.js`, here)))
  .map(({ name }) => name);

const [name, ...args] = process.argv.slice(2);
if (name === undefined || !names.includes(name)) {
  console.error(`usage: npm run bench -- ${names.join('|')} [flags]; --help lists the flags`);
  process.exit(2);
}
process.argv.splice(2, Number.POSITIVE_INFINITY, ...args);
await import(new URL(`${name}/main.js`, here).href);

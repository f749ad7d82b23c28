/** An image of the process node whose arguments select what it does. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The first argument selects the action. By default, the program serves on PORT. */
const PROGRAM = `
const { writeFileSync, readFileSync, existsSync } = require('node:fs');
const [what, arg] = process.argv.slice(2);
const say = (text) => writeFileSync(process.env.LAST_WORDS ?? '/dev/null', text);
if (what === 'report') {
  say(JSON.stringify({ env: process.env, file: readFileSync(process.env.FILE, 'utf8'), args: process.argv.slice(2) }));
} else if (what === 'exit') {
  console.log('last line of the log');
  process.exitCode = Number(arg);
} else if (what === 'count') {
  let line = 0;
  const until = setInterval(() => {
    console.log('line ' + ++line);
    if (existsSync(arg)) clearInterval(until);
  }, 50);
} else if (what === 'touch') {
  writeFileSync(arg, '');
} else {
  // Each probe fails while its file exists. SIGTERM takes half a second, or is ignored.
  require('node:http').createServer((request, response) => {
    response.writeHead(existsSync(process.env.FILES + request.url) ? 500 : 200).end();
  }).listen(process.env.PORT, '127.0.0.1');
  process.on('SIGTERM', () => { if (what !== 'stubborn') setTimeout(() => process.exit(), 500); });
}
`;

/** Creates version 1 of the image and returns its folder. */
export function createChameleonImage(imagesDir: string): string {
  // The image folder persists between runs.
  rmSync(join(imagesDir, 'chameleon'), { recursive: true, force: true });
  const folder = join(imagesDir, 'chameleon', '1');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'main.cjs'), PROGRAM);
  const image = { entrypoint: ['node', './main.cjs'], portEnv: { 8080: 'PORT' } };
  writeFileSync(join(folder, 'image.json'), JSON.stringify(image));
  return folder;
}

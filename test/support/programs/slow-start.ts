/** A correct version that starts to serve after 2.5 seconds. */
import { setTimeout as sleep } from 'node:timers/promises';

if (process.argv[2] === 'serve') await sleep(2_500);
await import(new URL('./api-server/main.js', import.meta.url).href);
